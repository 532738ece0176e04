import { expect, test } from 'vitest';
import type { WorkerResponse } from '../../src/client/worker-client.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['echo']);
let made = 0;

/** Writes a function and calls it. */
async function answerOf(
  files: string | Record<string, string>,
  event: unknown = {},
): Promise<WorkerResponse> {
  const name = `f${made++}`;
  await worker.current.cluster.writeFunction(name, files);
  return await worker.current.call(name, event);
}

/** The text of a failure; no line of it may come from our runtime. */
async function failureOf(files: string | Record<string, string>, event: unknown = {}): Promise<string> {
  const { status, body, headers } = await answerOf(files, event);
  expect([status, headers['content-type']]).toEqual([500, 'text/plain; charset=utf-8']);
  expect(body).not.toMatch(
    /(server|sandbox|zygote|kernel|control|baseline)\.py|site-packages|_invoke|frozen/,
  );
  return body;
}

test('an exception is answered with the traceback of the user’s lines', async () => {
  const text = await failureOf(
    python`
    def helper(event):
        return 1 / event['zero']

    def handler(event):
        return helper(event)
  `,
    { zero: 0 },
  );
  // Python 3.11 and newer underline the part of the line that failed.
  expect(text.replace(/^ +[~^]+\n/gm, '')).toBe(
    [
      'Traceback (most recent call last):',
      '  File "/handler/lambda_func.py", line 5, in handler',
      '    return helper(event)',
      '  File "/handler/lambda_func.py", line 2, in helper',
      "    return 1 / event['zero']",
      'ZeroDivisionError: division by zero',
      '',
    ].join('\n'),
  );
});

test('a traceback goes through the function’s other modules and the standard library', async () => {
  const text = await failureOf(
    {
      'lambda_func.py': 'import parse\ndef handler(event):\n    return parse.parse(event)\n',
      'parse.py': 'import json\ndef parse(text):\n    return json.loads(text)\n',
    },
    'no json',
  );
  expect(text).toMatch(
    /"\/handler\/lambda_func.py", line 3, in handler[\s\S]*"\/handler\/parse.py", line 3, in parse[\s\S]*\/json\//,
  );
  expect(text).toMatch(/JSONDecodeError: Expecting value/);
});

test('both exceptions are told where one led to another, by `from` and by itself', async () => {
  const by = (how: string) =>
    failureOf(python`
    def handler(event):
        try:
            {}['first']
        except KeyError as error:
            raise ValueError('second') ${how}
  `);
  expect(await by('from error')).toMatch(/KeyError: 'first'[\s\S]*direct cause[\s\S]*ValueError: second/);
  expect(await by('')).toMatch(/KeyError: 'first'[\s\S]*During handling[\s\S]*ValueError: second/);
  const hidden = await by('from None');
  expect(hidden).not.toContain('first');
  expect(hidden).toContain('ValueError: second');
});

test('an exception group is told with all its members', async () => {
  const { status, body } = await answerOf(python`
    def handler(event):
        raise ExceptionGroup('two', [ValueError('one of them'), KeyError('the other')])
  `);
  expect(status).toBe(500);
  // Python 3.10 and older do not know them.
  expect(body).toMatch(/one of them[\s\S]*the other|NameError/);
});

test('a syntax error is told with its line, and is not forgotten by the next call', async () => {
  const text = await failureOf('x = 1\ndef handler(event)\n    return 1\n');
  expect(text).toMatch(/^lambda_func.py cannot be loaded: syntax error\n/);
  expect(text).toMatch(
    /File "\/handler\/lambda_func.py", line 2\n\s+def handler\(event\)\n\s+\^\nSyntaxError: /,
  );
  expect((await worker.current.call(`f${made - 1}`)).body).toBe(text);
});

test.each([
  [
    'a tab where spaces were',
    'def handler(event):\n        x = 1\n\treturn x\n',
    /TabError|IndentationError/,
  ],
  ['a NUL byte', 'x = "\0"\ndef handler(event): pass\n', /null bytes/],
  ['bytes that are not UTF-8', '# -*- coding: ascii -*-\nx = "ä"\n', /SyntaxError/],
])('source with %s is told as what it is', async (_what, code, expected) => {
  expect(await failureOf(code)).toMatch(expected);
});

test('a syntax error in another module of the function names that module', async () => {
  const text = await failureOf({
    'lambda_func.py': 'import broken\ndef handler(event): pass\n',
    'broken.py': 'x = (\n',
  });
  expect(text).toMatch(
    /"\/handler\/lambda_func.py", line 1[\s\S]*File "\/handler\/broken.py", line 1[\s\S]*SyntaxError/,
  );
});

test('an exception while the function is loaded is told as that', async () => {
  const text = await failureOf({
    'lambda_func.py': 'import settings\ndef handler(event): pass\n',
    'settings.py': 'PORT = int("eighty")\n',
  });
  expect(text).toMatch(/^lambda_func.py failed while it was loaded\n/);
  expect(text).toMatch(
    /lambda_func.py", line 1[\s\S]*settings.py", line 1[\s\S]*ValueError: invalid literal/,
  );
});

test('a module that is not there is told by its name', async () => {
  expect(await failureOf('import requests\n')).toMatch(/ModuleNotFoundError: No module named 'requests'/);
});

test.each([
  ['no handler', 'def handle(event): pass\n', /defines no handler: write `def handler\(event\)/],
  ['an empty file', '', /defines no handler/],
  ['a handler that is a text', 'handler = "x"\n', /is a str, not a function/],
  [
    'a handler that cannot be looked up',
    'def __getattr__(name): raise ValueError(name)\n',
    /ValueError: handler/,
  ],
  [
    'a handler that takes nothing',
    'def handler(): pass\n',
    /TypeError: handler\(\) takes 0 positional arguments/,
  ],
])('%s is told as that', async (_what, code, expected) => {
  expect(await failureOf(code)).toMatch(expected);
});

test('any callable can be the handler', async () => {
  const { body } = await answerOf(
    'class Greeter:\n    def __call__(self, event): return "called"\nhandler = Greeter()\n',
  );
  expect(body).toBe('"called"');
});

test.each([
  ['a set', '{1}', /set/],
  ['bytes', 'b"x"', /bytes/],
  ['NaN', 'float("nan")', /JSON compliant/],
  ['infinity', '[float("-inf")]', /JSON compliant/],
  ['itself', '(lambda a: a.append(a) or a)([])', /[Cc]ircular/],
  ['a tuple as key', '{(1, 2): 3}', /tuple/],
  ['a coroutine', '(lambda c: (c.close(), c)[1])(co())', /coroutine/],
  ['an object', 'object()', /object/],
  ['what is nested too deeply', 'deep()', /recursion/],
])('a result that is %s is told as what JSON cannot hold', async (_what, value, expected) => {
  const text = await failureOf(python`
    async def co(): pass
    def deep():
        value = []
        for _ in range(100000): value = [value]
        return value
    def handler(event): return ${value}
  `);
  expect(text).toMatch(/^handler returned something that JSON cannot hold: /);
  expect(text).toMatch(expected);
});

test.each([
  ['None', 'None', 'null'],
  ['a tuple', '(1, "a")', '[1, "a"]'],
  ['numbers as keys', '{1: True, None: 2.5}', '{"1": true, "null": 2.5}'],
  ['half a surrogate pair', '"\\ud83d"', '"\\ud83d"'],
])('a result that is %s is JSON', async (_what, value, expected) => {
  expect(await answerOf(`def handler(event): return ${value}\n`)).toMatchObject({
    status: 200,
    body: expected,
  });
});

const HOSTILE = python`
  class Hostile(Exception):
      def __str__(self): raise RuntimeError('no str')
      __repr__ = __str__

  class Worse(Exception):
      def __str__(self): raise SystemExit(4)
      __repr__ = __str__

  class Wrong(ValueError, Worse): pass

  class Items(dict):
      def __init__(self, error): super().__init__(a=1); self.error = error
      def items(self): raise self.error

  class Class:
      @property
      def __class__(self): raise Worse()
`;

test.each([
  ['an exception that cannot be shown', 'raise Hostile()', /Hostile/],
  ['an exception that ends the process when it is shown', 'raise Worse()', /Worse/],
  ['a result that cannot be shown', 'return Hostile()', /Hostile/],
  ['a result that fails while it is read', 'return Items(Worse())', /Worse/],
  ['a result that fails with what cannot be shown', 'return Items(Wrong())', /JSON cannot hold/],
  ['a result without a class', 'return Class()', /Worse|Class/],
  ['sys.exit with what cannot be shown', 'import sys; sys.exit(Hostile())', /sys\.exit/],
  ['sys.exit with what ends the process when shown', 'import sys; sys.exit(Worse())', /sys\.exit/],
])('%s is 500, and the sandbox lives on', async (_what, line, expected) => {
  const code = `${HOSTILE}\ndef handler(event):\n    if event == 'well': return 'fine'\n    ${line}\n`;
  const { status, body } = await answerOf(code);
  expect(status).toBe(500);
  expect(body).toMatch(expected);
  expect(await worker.current.call(`f${made - 1}`, 'well')).toMatchObject({
    body: '"fine"',
    headers: { 'x-openlambda-start': 'warm' },
  });
});

test.each([
  ['in the handler', 'import sys\ndef handler(event): sys.exit(3)\n', /^handler called sys.exit\(3\)/],
  ['without a status', 'def handler(event): exit()\n', /^handler called sys.exit\(None\)/],
  [
    'with a message',
    'import sys\ndef handler(event): sys.exit("bye")\n',
    /^handler called sys.exit\('bye'\)/,
  ],
  [
    'while it is loaded',
    'import sys\nsys.exit(2)\n',
    /^lambda_func.py called sys.exit\(2\) while it was loaded/,
  ],
  ['by KeyboardInterrupt', 'def handler(event): raise KeyboardInterrupt\n', /KeyboardInterrupt/],
  ['by GeneratorExit', 'def handler(event): raise GeneratorExit\n', /GeneratorExit/],
])('to end the program %s is 500', async (_where, code, expected) => {
  expect(await failureOf(code)).toMatch(expected);
});

test('recursion without end is told, and the sandbox lives on', async () => {
  const text = await failureOf('def handler(event):\n    return event if event else handler(event)\n', 0);
  expect(text).toMatch(/RecursionError: maximum recursion depth exceeded/);
  expect((await worker.current.call(`f${made - 1}`, 1)).body).toBe('1');
});

test.each([
  ['an exception’s text', 'def handler(event): raise ValueError("x" * 10**7)\n'],
  ['the text of sys.exit', 'import sys\ndef handler(event): sys.exit("x" * 10**7)\n'],
  ['a text while it is loaded', 'raise ValueError("x" * 10**7)\n'],
])('%s of 10 MB is cut', async (_what, code) => {
  const text = await failureOf(code);
  expect(text.length).toBeLessThan(70_000);
  expect(text).toMatch(/xxx\n\.\.\. \(cut\)\n$/);
});

test('a failure in any writing arrives as it is', async () => {
  const text = await failureOf('def handler(event): raise ValueError("日本 😀 \\ud800 \\0")\n');
  expect(text).toContain('ValueError: 日本 😀 \\ud800 \0');
});

test('what fails is logged for the operator when it is the sandbox, and not when it is the function', async () => {
  await failureOf('def handler(event): raise ValueError("private")\n');
  expect(JSON.stringify(worker.current.log)).not.toContain('private');
});
