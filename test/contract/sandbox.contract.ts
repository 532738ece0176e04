import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Code } from '../../src/registry/registry.ts';
import { describeDeath, type Engine, type Sandbox, type SandboxRequest } from '../../src/sandbox/sandbox.ts';
import { namesIn } from '../helpers/handler-files.ts';
import { until } from '../helpers/poll.ts';
import { isStillThere, readProcess, treeOf } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';

/** An engine, and the places that it works with. */
export interface EngineFixture {
  readonly engine: Engine;
  /** Makes a version of a function's code from the text of its `lambda_func.py`. */
  code(name: string, text: string): Promise<Code>;
  /** The scratch directory on the host of the sandbox with this id. */
  scratch(id: string): string;
  /** Closes the engine and removes all traces of it. */
  dispose(): Promise<void>;
}

const LIMITS = { timeoutMs: 30_000, responseMaxBytes: 1024 * 1024 };

/** A request with this event; the limits are far away unless they are given. */
export function requestOf(event: unknown, limits: Partial<SandboxRequest> = {}): SandboxRequest {
  return { ...LIMITS, body: Buffer.from(JSON.stringify(event)), ...limits };
}

/** Does what the event says. */
const ACTOR = python`
  import os, signal, time
  def handler(event):
      what, value = event
      if what == 'echo': return value
      if what == 'fail': raise ValueError(value)
      if what == 'sleep': time.sleep(value)
      if what == 'size': return 'x' * value
      if what == 'exit': os._exit(value)
      if what == 'crash':
          import ctypes
          ctypes.string_at(0)
      if what == 'write': open(value, 'w').write('written')
      if what == 'list': return sorted(os.listdir(value))
      if what == 'processes': return sum(name.isdigit() for name in os.listdir('/proc'))
      if what == 'fork':
          if os.fork() == 0: time.sleep(1000)
      if what == 'rubbish': os.write(4, b'rubbish' * 5000); time.sleep(1000)
`;

/** What every engine has to do, and every sandbox that it makes. */
export function describeSandboxContract(name: string, make: () => Promise<EngineFixture>): void {
  describe(`the ${name} engine and its sandboxes`, () => {
    let fixture: EngineFixture;
    const made: Sandbox[] = [];
    beforeAll(async () => {
      fixture = await make();
    });
    afterEach(async () => {
      await Promise.all(made.splice(0).map((sandbox) => sandbox.destroy('the test is over')));
    });
    afterAll(() => fixture.dispose());

    async function create(function_ = 'actor', text = ACTOR): Promise<Sandbox> {
      const sandbox = await fixture.engine.create(await fixture.code(function_, text), null);
      made.push(sandbox);
      return sandbox;
    }

    const ask = async (sandbox: Sandbox, event: unknown, limits: Partial<SandboxRequest> = {}) => {
      const { status, body } = await sandbox.request(requestOf(event, limits));
      return { status, value: status === 200 ? JSON.parse(body.toString()) : body.toString() };
    };

    test('a request is answered with what the handler returns', async () => {
      const sandbox = await create();
      expect(await ask(sandbox, ['echo', { ä: [1, null] }])).toEqual({
        status: 200,
        value: { ä: [1, null] },
      });
    });

    test('it loads until its code has run; the first answer tells when that was, each how long the call took', async () => {
      const text = 'import time\ntime.sleep(0.3)\ndef handler(event): time.sleep(event)\n';
      const sandbox = await create('slow-to-load', text);
      const first = sandbox.request(requestOf(0.2));
      expect(sandbox.isLoading()).toBe(true);
      await until('end of loading', () => !sandbox.isLoading());
      const { loadedAt, tookMs } = await first;
      expect(loadedAt).toBeGreaterThan(sandbox.createdAt + 300);
      expect(loadedAt).toBeLessThan(performance.now() - 200);
      expect(tookMs).toBeGreaterThanOrEqual(200);
      const second = sandbox.request(requestOf(0));
      expect(sandbox.isLoading()).toBe(false);
      expect(await second).toMatchObject({ loadedAt: null, tookMs: expect.any(Number) });
    });

    test('requests are answered one after another by the same process', async () => {
      const sandbox = await create();
      await ask(sandbox, ['echo', 0]);
      const pid = sandbox.pid();
      for (let count = 0; count < 50; count++)
        expect(await ask(sandbox, ['echo', count])).toMatchObject({ value: count });
      expect(sandbox.pid()).toBe(pid);
    });

    test('a second request before the first is answered is an error of the caller, and harms neither', async () => {
      const sandbox = await create();
      const first = ask(sandbox, ['sleep', 0.1]);
      await expect(ask(sandbox, ['echo', 2])).rejects.toThrow(/two requests at once/);
      expect(await first).toEqual({ status: 200, value: null });
      expect(await ask(sandbox, ['echo', 3])).toMatchObject({ value: 3 });
    });

    test('it has an id that no other has, the function’s name, and the time of its making', async () => {
      const before = performance.now();
      const [one, two] = [await create('named'), await create('named')];
      expect(one.functionName).toBe('named');
      expect(one.id).toMatch(/^named\/\d+$/);
      expect(two.id).not.toBe(one.id);
      expect(one.createdAt).toBeGreaterThanOrEqual(before);
      expect(two.createdAt).toBeGreaterThanOrEqual(one.createdAt);
    });

    test('a handler that fails is 500 with the traceback', async () => {
      const { status, value } = await ask(await create(), ['fail', 'on purpose']);
      expect(status).toBe(500);
      expect(value).toMatch(
        /^Traceback[\s\S]*lambda_func.py", line \d+, in handler[\s\S]*ValueError: on purpose\n$/,
      );
    });

    test.each([
      '{',
      '',
      '\xff',
      'NaN',
    ])('the body %j is 400 where it is no JSON, and an empty one is {}', async (text) => {
      const sandbox = await create('echo', 'def handler(event): return event\n');
      const { status, body } = await sandbox.request({ ...LIMITS, body: Buffer.from(text, 'latin1') });
      expect([status, body.toString()]).toEqual(
        text === '' ? [200, '{}'] : [400, expect.stringMatching(/./)],
      );
      expect(await ask(sandbox, 1)).toMatchObject({ value: 1 });
    });

    test('large events and results arrive whole', async () => {
      const text = 'ä'.repeat(400_000);
      expect((await ask(await create(), ['echo', text])).value).toBe(text);
    });

    test('a request over its time is ERR_TIMEOUT, and ends the sandbox', async () => {
      const sandbox = await create();
      await ask(sandbox, ['echo', 1]);
      await expect(ask(sandbox, ['sleep', 1000], { timeoutMs: 50 })).rejects.toMatchObject({
        code: 'ERR_TIMEOUT',
        fields: { limitMs: 50 },
      });
      expect((await sandbox.dead).reason).toMatch(/50 ms/);
    });

    test('a response over its limit is ERR_RESPONSE_TOO_LARGE, and ends the sandbox', async () => {
      const sandbox = await create();
      const limits = { responseMaxBytes: 2048 };
      expect((await ask(sandbox, ['size', 2046], limits)).value).toHaveLength(2046);
      await expect(ask(sandbox, ['size', 2047], limits)).rejects.toMatchObject({
        code: 'ERR_RESPONSE_TOO_LARGE',
        fields: { limitKb: 2 },
      });
      await sandbox.dead;
    });

    test('rubbish in place of a response is ERR_BAD_RESPONSE, and ends the sandbox', async () => {
      const sandbox = await create();
      await expect(ask(sandbox, ['rubbish', 0])).rejects.toMatchObject({ code: 'ERR_BAD_RESPONSE' });
      await sandbox.dead;
    });

    test.each([
      [['exit', 3], 'exit code 3', { code: 3, signal: null, reason: null }],
      [['crash', 0], 'signal SIGSEGV', { code: null, signal: 'SIGSEGV', reason: null }],
    ])('a death during a request, by %j, is ERR_SANDBOX_DIED with how', async (event, how, death) => {
      const sandbox = await create();
      await expect(ask(sandbox, event)).rejects.toMatchObject({ code: 'ERR_SANDBOX_DIED', fields: { how } });
      expect(await sandbox.dead).toMatchObject(death);
      expect(describeDeath(await sandbox.dead)).toBe(how);
    });

    test('a destroyed sandbox is dead for the reason that was given first, and destroying it again does nothing', async () => {
      const sandbox = await create();
      await ask(sandbox, ['echo', 1]);
      const deaths = await Promise.all([sandbox.destroy('enough'), sandbox.destroy('again'), sandbox.dead]);
      for (const death of [...deaths, await sandbox.destroy('later')]) expect(death.reason).toBe('enough');
    });

    test.each([
      'at once',
      'while it serves',
      'when it has died',
    ])('a sandbox can be destroyed %s', async (when) => {
      const sandbox = await create();
      const request =
        when === 'at once' ? null : ask(sandbox, when === 'while it serves' ? ['sleep', 1000] : ['exit', 1]);
      request?.catch(() => {});
      if (when === 'while it serves') await until('process', () => sandbox.pid() !== null);
      if (when === 'when it has died') await sandbox.dead;
      await sandbox.destroy('the test');
      if (request !== null)
        await expect(request).rejects.toMatchObject({
          code: expect.stringMatching(/^ERR_SANDBOX_(DIED|GONE)$/),
        });
      expect(existsSync(fixture.scratch(sandbox.id))).toBe(false);
    });

    test('after death a request is ERR_SANDBOX_GONE, and everything else is safe', async () => {
      const sandbox = await create();
      await ask(sandbox, ['echo', 1]);
      await sandbox.destroy('the test');
      for (let count = 0; count < 2; count++) {
        await expect(ask(sandbox, ['echo', 2])).rejects.toMatchObject({
          code: 'ERR_SANDBOX_GONE',
          fields: { how: 'the test' },
        });
      }
      expect(sandbox.pid()).toBeNull();
      expect(await sandbox.memoryKb()).toBe(0);
      expect(sandbox.id).toMatch(/^actor\//);
    });

    test('one that is being destroyed takes no request any more, however long its end takes', async () => {
      for (let round = 0; round < 5; round++) {
        const sandbox = await create();
        await ask(sandbox, ['echo', 1]);
        const dead = sandbox.destroy('the test');
        await expect(ask(sandbox, ['echo', 2])).rejects.toMatchObject({ code: 'ERR_SANDBOX_GONE' });
        await dead;
      }
    });

    test('its end takes all of its processes, and its scratch space', async () => {
      const sandbox = await create();
      await ask(sandbox, ['fork', 0]);
      await ask(sandbox, ['write', '/host/file']);
      const tree = await until('child', () => {
        const found = treeOf(sandbox.pid() ?? 0);
        return found.length === 2 ? found : null;
      });
      expect(existsSync(join(fixture.scratch(sandbox.id), 'file'))).toBe(true);
      await sandbox.destroy('the test');
      expect(tree.filter(isStillThere)).toEqual([]);
      expect(existsSync(fixture.scratch(sandbox.id))).toBe(false);
    });

    test('its pid is its first process on the machine, and its memory is more than nothing', async () => {
      const sandbox = await create();
      await ask(sandbox, ['echo', 1]);
      expect(readProcess(sandbox.pid() ?? 0)).not.toBeNull();
      const before = await sandbox.memoryKb();
      expect(before).toBeGreaterThan(100);
      expect(before).toBeLessThan(100 * 1024);
    });

    test('the code can be read and not written', async () => {
      const sandbox = await create();
      // An engine may have added what an interpreter makes of it.
      const { value: names } = await ask(sandbox, ['list', '/handler']);
      expect(names.filter((name: string) => name !== '__pycache__')).toEqual(['lambda_func.py']);
      for (const path of ['/handler/lambda_func.py', '/handler/new']) {
        const { status, value } = await ask(sandbox, ['write', path]);
        expect([status, value]).toEqual([500, expect.stringContaining('Read-only file system')]);
      }
    });

    test('two sandboxes of one function have neither files nor processes in common', async () => {
      const [one, two] = [await create(), await create()];
      await ask(one, ['write', '/host/mine']);
      await ask(one, ['write', '/tmp/mine']);
      await ask(one, ['fork', 0]);
      expect((await ask(one, ['list', '/tmp'])).value).toEqual(['mine']);
      expect((await ask(two, ['list', '/tmp'])).value).toEqual([]);
      expect((await ask(two, ['list', '/host'])).value).not.toContain('mine');
      expect((await ask(one, ['processes', 0])).value).toBe(2);
      expect((await ask(two, ['processes', 0])).value).toBe(1);
    });

    test('the death of one is not felt by the other', async () => {
      const [one, two] = [await create(), await create()];
      const slow = ask(two, ['sleep', 0.2]);
      await expect(ask(one, ['exit', 1])).rejects.toMatchObject({ code: 'ERR_SANDBOX_DIED' });
      expect(await slow).toMatchObject({ status: 200 });
    });

    test('many at once are made and serve', async () => {
      const all = await Promise.all(Array.from({ length: 20 }, () => create()));
      const answers = await Promise.all(all.map((sandbox, count) => ask(sandbox, ['echo', count])));
      expect(answers.map(({ value }) => value)).toEqual(all.map((_, count) => count));
      expect(new Set(all.map(({ id }) => id)).size).toBe(20);
    });

    test('code that is not there is ERR_SANDBOX_START, and leaves nothing', async () => {
      const code = { name: 'missing', version: '0'.repeat(64), dir: '/nonexistent/code' };
      await expect(fixture.engine.create(code, null)).rejects.toMatchObject({
        code: 'ERR_SANDBOX_START',
        fields: { name: 'missing' },
      });
      await until(
        'end of its scratch space',
        async () => (await namesIn(fixture.scratch('missing'))).length === 0,
      );
      expect(await ask(await create(), ['echo', 1])).toMatchObject({ value: 1 });
    });

    test('closing an engine ends every sandbox, busy or not, and may be done again', async () => {
      const own = await make();
      try {
        const code = await own.code('actor', ACTOR);
        const [idle, busy] = [await own.engine.create(code, null), await own.engine.create(code, null)];
        await idle.request(requestOf(['echo', 1]));
        const cut = expect(busy.request(requestOf(['sleep', 1000]))).rejects.toMatchObject({
          code: expect.stringMatching(/^ERR_SANDBOX_(DIED|GONE)$/),
        });
        const tree = [idle, busy].flatMap((sandbox) => treeOf(sandbox.pid() ?? 0));
        await Promise.all([own.engine.close(), own.engine.close()]);
        await cut;
        await Promise.all([idle.dead, busy.dead]);
        // All are killed, and nothing of theirs is open. But one may have had the last of a file, which the kernel gives back to the disk first.
        await until('end of all processes', () => !tree.some(isStillThere));
        expect([idle, busy].filter((sandbox) => existsSync(own.scratch(sandbox.id)))).toEqual([]);
      } finally {
        await own.dispose();
      }
    });
  });
}
