import type { WorkerResponse } from '../../src/client/worker-client.ts';
import { SLOWNESS } from '../helpers/poll.ts';
import type { Stage } from './stage.ts';

/** How an attack has to end: with this status and text, within the time. */
export interface Expected {
  readonly status: number;
  readonly text: RegExp;
}

/** The time limit of a call, and a second. */
export const IN_TIME_MS = 3000 * SLOWNESS;

/** Calls the attacker; throws where the answer is not the expected one, or came late. */
export async function expectAnswer(
  stage: Stage,
  event: unknown,
  expected: Expected,
  inTimeMs = IN_TIME_MS,
): Promise<WorkerResponse> {
  const start = performance.now();
  const answer = await stage.invoke('attacker', event);
  const tookMs = performance.now() - start;
  const said = `${answer.status} ${answer.body.slice(0, 500)}`;
  if (answer.status !== expected.status || !expected.text.test(answer.body))
    throw new Error(`it was answered ${said}`);
  if (tookMs > inTimeMs) throw new Error(`it was answered after ${tookMs} ms: ${said}`);
  stage.canary.checkText(answer.body);
  return answer;
}

/** What an attacker of `tries.py` tells: of each thing that it tried, the errno's name, or `got …`. */
export type Report = Readonly<Record<string, string>>;

/** Calls the attacker, which answers with its report. */
export async function reportOf(stage: Stage, event: unknown): Promise<Report> {
  const { body } = await expectAnswer(stage, event, { status: 200, text: /^\{/ });
  return JSON.parse(body);
}
