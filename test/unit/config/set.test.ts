import { expect, test } from 'vitest';
import { mergeConfig } from '../../../src/config/set.ts';

const current = { worker_port: '8080', max_runners: 100, tmp_max_mb: 64 };

test('keys are merged in their place, new ones come last', () => {
  const { merged, changes } = mergeConfig(current, '{"log_level": "debug", "max_runners": 5}', 'f');
  expect(JSON.stringify(merged)).toBe(
    '{"worker_port":"8080","max_runners":5,"tmp_max_mb":64,"log_level":"debug"}',
  );
  expect(changes).toEqual([
    { key: 'log_level', from: null, to: 'debug' },
    { key: 'max_runners', from: 100, to: 5 },
  ]);
});

test('null takes a key out, and one that is not there changes nothing', () => {
  const { merged, changes } = mergeConfig(current, '{"tmp_max_mb": null, "log_level": null}', 'f');
  expect(merged).toEqual({ worker_port: '8080', max_runners: 100 });
  expect(changes).toEqual([{ key: 'tmp_max_mb', from: 64, to: null }]);
});

test('null also takes out a key that this version does not know', () => {
  expect(mergeConfig({ gone: 1 }, '{"gone": null}', 'f').merged).toEqual({});
});

test('a nested value is replaced whole', () => {
  const { merged } = mergeConfig({ sandbox_config: { a: 1 } }, '{"sandbox_config": {"b": 2}}', 'f');
  expect(merged).toEqual({ sandbox_config: { b: 2 } });
});

test('the same value again is no change', () => {
  expect(mergeConfig(current, '{"max_runners": 100}', 'f').changes).toEqual([]);
});

test.each([
  ['{"max_runer": 1}', 'did you mean "max_runners"'],
  ['{"max_runer": null}', 'did you mean "max_runners"'],
  ['{"max_runners": "x"}', 'max_runners'],
  ['{"__proto__": {"a": 1}}', '__proto__'],
  ['[1]', 'a JSON object is expected, this is an array'],
  ['null', 'a JSON object is expected, this is null'],
  ['{', 'not JSON'],
])('%s is refused', (text, message) => {
  expect(() => mergeConfig(current, text, 'f')).toThrow(message);
});

test('a file that is broken already is named', () => {
  expect(() => mergeConfig({ nope: 1 }, '{"max_runners": 1}', '/c/template.json')).toThrow(
    /\/c\/template\.json.*nope/,
  );
});
