import { readFileSync } from 'node:fs';

/** A name for a living process that no later one has: a pid is given away again, but not with its start time. */
export function identityOf(pid) {
  return `${pid}-${startTicks(pid)}`;
}

/** Whether the process with this identity still lives. */
export function isAlive(identity) {
  const [pid, ticks] = identity.split('-');
  return startTicks(pid) === ticks;
}

/** Kills the process with this identity, if it still lives. */
export function end(identity) {
  if (!isAlive(identity)) return;
  try {
    process.kill(Number.parseInt(identity, 10), 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** When the process started, in clock ticks since boot (field 22 of its stat); undefined when it is gone. */
function startTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // the name in brackets may hold anything
    return fields[0] === 'Z' ? undefined : fields[19]; // a zombie does nothing any more
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return undefined;
    throw error;
  }
}
