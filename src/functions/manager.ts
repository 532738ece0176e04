import { OlError } from '../errors.ts';
import { inTime } from '../in-time.ts';
import type { Lock } from '../packages/lock.ts';
import { checkFunctionName } from '../registry/names.ts';
import type { Levels } from '../telemetry/metrics.ts';
import type { SandboxReport } from '../telemetry/sandbox-report.ts';
import { type FunctionContext, type Invocation, OlFunction } from './function.ts';
import { FunctionTable } from './function-table.ts';

/** All functions of a worker, made when they are first called. */
export class FunctionManager {
  readonly #context: FunctionContext;
  readonly #functions: FunctionTable<OlFunction>;
  readonly #drained = Promise.withResolvers<void>();
  #inFlight = 0;
  #isClosing = false;

  constructor(context: FunctionContext) {
    this.#context = context;
    this.#functions = new FunctionTable((name) => new OlFunction(name, context));
  }

  /** Calls a function. The result rejects with an OlError from the table. Throws ERR_BAD_NAME, ERR_SHUTTING_DOWN. */
  invoke(name: string, body: Buffer): Invocation {
    if (this.#isClosing) throw new OlError('ERR_SHUTTING_DOWN', {});
    const called = this.#functions.get(checkFunctionName(name));
    const invocation = called.invoke(body);
    this.#inFlight++;
    const done = () => this.#done(called);
    invocation.result.then(done, done);
    return invocation;
  }

  /** Has the packages of a function's newest code made ready, for as long as it takes. Rejects with errors of the table. */
  async prepare(name: string): Promise<Lock | null> {
    if (this.#isClosing) throw new OlError('ERR_SHUTTING_DOWN', {});
    const { registry, packages } = this.#context;
    const code = await registry.pull(checkFunctionName(name));
    const letGo = registry.retain(code);
    try {
      return await packages.prepare(code);
    } finally {
      letGo();
    }
  }

  sandboxes(): SandboxReport[] {
    const now = performance.now();
    const instances = this.#functions.all.flatMap((one) => [...one.instances]);
    return instances.map(({ sandbox, state, memoryKb }) => ({
      id: sandbox.id,
      function: sandbox.functionName,
      engine: this.#context.engine.name,
      state,
      pid: sandbox.pid(),
      ageMs: Math.round(now - sandbox.createdAt),
      memoryKb,
    }));
  }

  /** What there is of everything, now. */
  levels(): Levels {
    const functions = this.#functions.all;
    const sum = (count: (one: OlFunction) => number) =>
      functions.reduce((total, one) => total + count(one), 0);
    const instances = functions.flatMap((one) => [...one.instances]);
    const inState = (wanted: string) => instances.filter(({ state }) => state === wanted).length;
    return {
      queued: sum((one) => one.queued),
      starting: sum((one) => one.starting),
      heldBack: functions.filter((one) => one.isHeldBack).length,
      idle: inState('idle'),
      paused: inState('paused'),
      busy: inState('busy'),
      memoryKb: instances.reduce((total, { memoryKb }) => total + memoryKb, 0),
    };
  }

  /** True from the start of `drain` on. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Refuses new requests from now on, and resolves when the accepted ones are answered, or after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#isClosing = true;
    if (this.#inFlight > 0) await inTime(this.#drained.promise, graceMs, () => {});
  }

  #done(called: OlFunction): void {
    this.#inFlight--;
    this.#functions.called(called);
    if (this.#isClosing && this.#inFlight === 0) this.#drained.resolve();
  }
}
