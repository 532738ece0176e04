import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { OlError } from '../../../src/errors.ts';
import { HoldBack } from '../../../src/functions/hold-back.ts';
import { silentLog } from '../../../src/telemetry/log.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function holdBack() {
  const told = { over: 0, counted: 0 };
  const it = new HoldBack({
    name: 'f',
    metrics: { heldBack: () => told.counted++ },
    log: silentLog(),
    onOver: () => told.over++,
  });
  return { it, told };
}

const memory = (bound: 'mem_limit_mb' | 'mem_pool_mb' = 'mem_limit_mb') =>
  new OlError('ERR_OUT_OF_MEMORY', { name: 'f', reason: 'why', bound });
const processes = () => new OlError('ERR_TOO_MANY_PROCESSES', { name: 'f', reason: 'why' });
const scratch = () => new OlError('ERR_SCRATCH_FULL', { name: 'f', reason: 'why' });

test.each([
  ['memory', memory],
  ['scratch space', scratch],
])('the second time that %s is used up is said in the answer, and counted', (_, make) => {
  const { it, told } = holdBack();
  const first = make();
  expect(it.failed(first)).toBe(first);
  expect([it.isHeld, it.hasStrikes, told.counted]).toEqual([false, true, 0]);
  const second = it.failed(make()) as OlError;
  expect(second).toMatchObject({ code: first.code, status: 502 });
  expect(second.message).toMatch(/why; its next sandbox is started in 5 s$/);
  expect([it.isHeld, it.startsAllowed(0), told.counted]).toEqual([true, 0, 1]);
});

test('that it is a fork bomb is counted and said the first time', () => {
  const { it, told } = holdBack();
  expect((it.failed(processes()) as OlError).message).toMatch(/why; its next sandbox is started in 5 s$/);
  expect([it.isHeld, it.startsAllowed(0), told.counted]).toEqual([true, 0, 1]);
});

test.each([
  ['the memory of all sandboxes', memory('mem_pool_mb')],
  ['time', new OlError('ERR_TIMEOUT', { name: 'f', limitMs: 1 })],
  ['a crash', new OlError('ERR_SANDBOX_DIED', { name: 'f', how: 'exit code 3' })],
  ['anything', new Error('unexpected')],
])('%s is no strike', (_, error) => {
  const { it } = holdBack();
  for (let call = 0; call < 10; call++) expect(it.failed(error)).toBe(error);
  expect([it.isHeld, it.hasStrikes]).toEqual([false, false]);
});

test('it is told once when it is over, however many strikes came in between', async () => {
  const { it, told } = holdBack();
  it.failed(memory());
  it.failed(memory());
  await vi.advanceTimersByTimeAsync(3000);
  it.failed(scratch());
  await vi.advanceTimersByTimeAsync(9900);
  expect([told.over, it.isHeld]).toEqual([0, true]);
  await vi.advanceTimersByTimeAsync(200);
  expect([told.over, it.isHeld, it.startsAllowed(0), it.startsAllowed(1)]).toEqual([1, false, 1, 0]);
  await vi.advanceTimersByTimeAsync(100_000);
  expect(told.over).toBe(1);
});

test('with new code nothing is held against it', () => {
  const { it } = holdBack();
  for (let call = 0; call < 5; call++) it.failed(memory());
  it.forget();
  expect([it.isHeld, it.hasStrikes, it.startsAllowed(7)]).toEqual([false, false, Number.POSITIVE_INFINITY]);
});

test('answers make up for it', () => {
  const { it } = holdBack();
  it.failed(memory());
  for (let call = 0; call < 7; call++) it.answered();
  const second = memory();
  expect(it.failed(second)).toBe(second);
  expect(it.isHeld).toBe(false);
});

test('no timer of it keeps the process alive', () => {
  const timers = vi.spyOn(globalThis, 'setTimeout');
  const { it } = holdBack();
  it.failed(memory());
  it.failed(memory());
  expect(timers.mock.results.map(({ value }) => (value as NodeJS.Timeout).hasRef())).toEqual([false]);
});
