"""What every zygote does, the root one and package zygotes: takes requests, and forks what they ask for."""

import os
import signal
import traceback

import control
import imports
import kernel
import networks
import package_zygote
import sandbox
import spare
import spares

# A package zygote shares our pid namespace: so its end is not that of the sandboxes that were forked from it. It has no network,
# other than the machine's where all have that. Its ipc namespace is its own: sandboxes of other zygotes are not in one with its.
_OF_ZYGOTE = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS

# Control socket, scratch, listener; or control socket, events, home.
_OWN_FDS = 3


class Forker:
    def __init__(self, blueprint, connection, network, first_uid=0):
        self._blueprint = blueprint
        self._connection = connection
        self._networks = network
        # The host uid that is 0 for us: requests have host uids, and we can only map our own.
        self._first_uid = first_uid
        self._spares = blueprint.spares
        of_zygote = _OF_ZYGOTE | (0 if blueprint.is_network_shared else kernel.CLONE_NEWNET)
        self._zygotes = kernel.Cloner(of_zygote, signal.SIGCHLD)
        self._carry_out = self._fork_here

    def take_request(self):
        words, fds = control.receive(self._connection)
        if not words:
            os._exit(0)
        if words[0] == b'ping':
            return control.tell(control.PONG)
        if words[0] == b'hot':
            self._blueprint.hot_pages.learn(fds[0])
            self._spares.warm_up()
            return os.close(fds[0])
        if words[0] == b'image':
            return self._take_image(*fds)
        self._carry_out(words, fds)

    def forked(self, pid, forked_id):
        """Called for each child that has been forked."""

    def link(self, forked_id, pid, pidfd):
        """Links what a package zygote has forked to the router."""
        raise ValueError(f'{pid} of {forked_id} is not for us to link')

    def _take_image(self, memory):
        count = 0
        try:
            if self._blueprint.image is not None:
                count = self._blueprint.image.take(memory, self._spares.template)
        except (OSError, MemoryError):
            traceback.print_exc()
        os.close(memory)
        control.tell(control.IMAGED, count)

    def give_children_to_parent(self, tasks):
        """What we fork from now on is the root zygote's child, who reaps it, and lives on when we end."""
        is_alone = tasks == 1
        self._spares.become_package_zygote(is_parent=not is_alone)
        self._zygotes.set_parent(is_ours=not is_alone)
        if not is_alone:
            self._carry_out = self._fork_apart

    def _fork_apart(self, words, fds):
        """There are other threads in this process: they may hold locks of the C library while we clone.

        os.fork() takes those before it forks, and frees them in the child; a bare clone3 does not. So what clones is a child
        of os.fork(), in which we are the only thread. It ends at once, and what it has cloned becomes the root zygote's.
        """
        pid = os.fork()
        if pid == 0:
            try:
                self._fork_here(words, fds)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        for fd in fds:
            os.close(fd)
        _, status = os.waitpid(pid, 0)
        if status != 0:
            os._exit(1)  # nobody knows what has become of the request: the worker is told of an end

    def _fork_here(self, words, fds):
        entry, entry_fds = words[1], int(words[2])
        numbers = [int(word) for word in words[3:]]
        if words[0] == b'fork':
            forked = self._fork_sandboxes(numbers, fds, entry, entry_fds)
        elif words[0] == b'zygote':
            forked = [self._fork_zygote(*numbers, fds[:_OWN_FDS], fds[_OWN_FDS:])]
        elif words[0] == b'link':
            self.link(*numbers, *fds)
            forked = []
        else:
            raise ValueError(f'unknown request {words[0]!r}')
        for fd in fds:
            os.close(fd)
        for child in forked:
            if child is not None:
                self._let_go_on(*child)

    def _fork_sandboxes(self, ids_and_uids, fds, entry, entry_fds):
        made = []
        for at in range(len(ids_and_uids) // 2):
            sandbox_id, uid = ids_and_uids[2 * at : 2 * at + 2]
            first = at * (_OWN_FDS + entry_fds)
            own_fds = fds[first : first + _OWN_FDS]
            files = fds[first + _OWN_FDS : first + _OWN_FDS + entry_fds]
            # The child may go on when its ids are mapped, and that is for us to do: it has no power over them.
            mapped, map_done = os.pipe()
            try:
                network = self._networks.lend(sandbox_id)
            except OSError as error:
                self._not_forked(sandbox_id, error, mapped, map_done)
                continue
            cgroup = files.pop(0) if entry == b'clone-into' else None
            made.append((spares.Child(sandbox_id, network, cgroup, files, [*own_fds, mapped]), uid, mapped, map_done))
        forked = self._spares.fork([child for child, *_ in made])
        if forked is None:
            sandbox.run(self._blueprint)
        return [self._forked_sandbox(*one, outcome) for one, outcome in zip(made, forked)]

    def _forked_sandbox(self, child, uid, mapped, map_done, outcome):
        self._networks.lent(child.network)
        if isinstance(outcome, OSError):
            return self._not_forked(child.sandbox_id, outcome, mapped, map_done)
        os.close(mapped)
        return (child.sandbox_id, spare.UID, uid, 1, *outcome, map_done)

    def _not_forked(self, sandbox_id, error, *pipe):
        self._networks.give_back(sandbox_id)
        control.tell_failed(sandbox_id, 'fork', error)
        for fd in pipe:
            os.close(fd)

    def _fork_zygote(self, zygote_id, first_uid, uid_count, own_fds, cgroup_files):
        mapped, map_done = os.pipe()
        try:
            pid, pidfd = self._zygotes.fork()
        except OSError as error:
            control.tell_failed(zygote_id, 'fork', error)
            os.close(map_done)
            os.close(mapped)
            return None
        if pid == 0:
            serve_imports(self._blueprint, zygote_id, first_uid, [*own_fds, mapped], cgroup_files)
        os.close(mapped)
        return zygote_id, 0, first_uid, uid_count, pid, pidfd, map_done

    def _let_go_on(self, forked_id, first_inside, first_uid, uid_count, pid, pidfd, map_done):
        self.forked(pid, forked_id)
        try:
            control.send_pidfd(self._connection, forked_id, pid, pidfd)
            control.tell(control.FORKED, forked_id)
            map_ids(pid, b'%d %d %d' % (first_inside, first_uid - self._first_uid, uid_count))
            os.write(map_done, control.WAITING % forked_id)
        except OSError as error:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            control.tell_failed(forked_id, 'map', error)
        finally:
            os.close(pidfd)
            os.close(map_done)


def serve_imports(blueprint, zygote_id, first_uid, fds, cgroup_files):
    """Never returns: in the child that becomes a package zygote."""
    try:
        connection, took, tasks, loaded = package_zygote.become(blueprint, fds, cgroup_files)
        network = networks.Shared() if blueprint.is_network_shared else networks.Fresh()
        forker = Forker(blueprint, connection, network, first_uid)
        forker.give_children_to_parent(tasks)
        control.tell_imported(zygote_id, took, tasks, loaded)
    except imports.Broken as broken:
        control.tell_failed(zygote_id, 'import', broken.error, module=broken.number)
        os._exit(1)
    except BaseException as error:
        control.tell_failed(zygote_id, getattr(error, 'step', 'import'), error)
        os._exit(1)
    try:
        while True:
            forker.take_request()
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def map_ids(pid, ids):
    """Ids of no power on the machine are all that exist in the child's user namespace: one in that of a sandbox."""
    for path in (b'/proc/%d/uid_map', b'/proc/%d/gid_map'):
        file = os.open(path % pid, os.O_WRONLY | os.O_CLOEXEC)
        os.write(file, ids)
        os.close(file)
