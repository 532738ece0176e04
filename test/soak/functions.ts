import { python } from '../helpers/python.ts';

/** A function of the mixed load: how often it is called beside the others, and how its calls may end. */
export interface SoakFunction {
  readonly code: string;
  readonly packages?: string;
  readonly weight: number;
  /** Status, or status and code of the table. */
  readonly outcomes: readonly string[];
}

const EXIT = python`
  import os
  def handler(event):
      os._exit(3)
`;

export const FUNCTIONS: Readonly<Record<string, SoakFunction>> = {
  echo: { code: 'def handler(event):\n    return event\n', weight: 40, outcomes: ['200'] },
  sleeps: {
    code: 'import time\ndef handler(event):\n    time.sleep(event % 40 / 1000)\n',
    weight: 15,
    outcomes: ['200'],
  },
  packaged: {
    code: 'import alpha\ndef handler(event):\n    return alpha.VALUE\n',
    packages: 'alpha\n',
    weight: 12,
    outcomes: ['200'],
  },
  both: {
    code: 'import alpha, beta\ndef handler(event):\n    return beta.VALUE + alpha.VALUE\n',
    packages: 'alpha\nbeta\n',
    weight: 8,
    outcomes: ['200'],
  },
  prints: { code: 'def handler(event):\n    print("x" * 500)\n', weight: 5, outcomes: ['200'] },
  writes: {
    code: python`
      def handler(event):
          for name in range(20):
              with open(f'/host/{event}-{name}', 'w') as file: file.write('x' * 1000)
    `,
    weight: 3,
    outcomes: ['200', '502 ERR_SCRATCH_FULL'],
  },
  raises: { code: 'def handler(event):\n    raise ValueError(event)\n', weight: 4, outcomes: ['500'] },
  exits: { code: EXIT, weight: 3, outcomes: ['502 ERR_SANDBOX_DIED'] },
  'exits-packaged': {
    code: `import alpha\n${EXIT}`,
    packages: 'alpha\n',
    weight: 2,
    outcomes: ['502 ERR_SANDBOX_DIED'],
  },
  segfaults: {
    code: 'import ctypes\ndef handler(event):\n    ctypes.string_at(0)\n',
    weight: 2,
    outcomes: ['502 ERR_SANDBOX_DIED'],
  },
  // One that did so each time would be held back, and all clients would wait for it most of the time.
  'uses-up-memory': {
    code: 'def handler(event):\n    return len(bytearray((500 if event % 40 == 0 else 1) * 1024 * 1024))\n',
    weight: 8,
    outcomes: ['200', '502 ERR_OUT_OF_MEMORY'],
  },
  'takes-too-long': {
    code: 'def handler(event):\n    while True: pass\n',
    weight: 1,
    outcomes: ['504 ERR_TIMEOUT'],
  },
  'fork-bomb': {
    code: python`
      import os, time
      def handler(event):
          for _ in range(200):
              try:
                  if os.fork() == 0: time.sleep(60); os._exit(0)
              except OSError:
                  break
          if event % 2: os._exit(1)
          return 'forked'
    `,
    weight: 2,
    outcomes: ['200', '502 ERR_SANDBOX_DIED'],
  },
};

/** A version of a function that is edited all the time. */
export function edited(version: number): string {
  return `VERSION = ${version}\ndef handler(event):\n    return VERSION\n`;
}
