import { expect, test } from 'vitest';
import {
  makeRegistryKeys,
  parseRegistryConfig,
  registryConfigText,
  settleRegistryConfig,
} from '../../../src/cluster/registry-config.ts';

const fresh = { accessKey: 'fresh-access', secretKey: 'fresh-secret' };
const before = { host: '0.0.0.0', port: 7000, accessKey: 'old-access', secretKey: 'old-secret' };

test('a first start without flags has the usual place and new keys, which nobody has seen', () => {
  expect(settleRegistryConfig(null, {}, fresh)).toEqual({
    config: { host: 'localhost', port: 9000, ...fresh },
    newKeys: fresh,
  });
});

test('of two keys the one that was not given is new', () => {
  const { config, newKeys } = settleRegistryConfig(null, { secretKey: 'mine', port: 0 }, fresh);
  expect({ config, newKeys }).toEqual({
    config: { host: 'localhost', port: 0, accessKey: 'fresh-access', secretKey: 'mine' },
    newKeys: { accessKey: 'fresh-access' },
  });
});

test('a later start is as the one before, but for what is asked for', () => {
  expect(settleRegistryConfig(before, {}, fresh)).toEqual({ config: before, newKeys: {} });
  const asked = { port: 1, accessKey: 'mine' };
  expect(settleRegistryConfig(before, asked, fresh)).toEqual({
    config: { ...before, ...asked },
    newKeys: {},
  });
});

test.each([
  'has a blank',
  '',
  'ü',
  'x'.repeat(257),
])('%j is no key, and is not in the message', (secretKey) => {
  const refused = () => settleRegistryConfig(before, { secretKey }, fresh);
  expect(refused).toThrow(expect.objectContaining({ code: 'ERR_BAD_KEY' }));
  expect(refused).toThrow(
    /^--secret-key cannot be a key: use 1 to 256 visible ASCII characters, without blanks$/,
  );
});

test('new keys are accepted, and each pair is another', () => {
  const [one, other] = [makeRegistryKeys(), makeRegistryKeys()];
  expect(settleRegistryConfig(null, one, fresh).config).toMatchObject(one);
  expect([one.accessKey, one.secretKey]).not.toEqual([other.accessKey, other.secretKey]);
});

test('what is written is read again; a broken file is refused without a word of it', () => {
  expect(parseRegistryConfig(registryConfigText(before), 'f')).toEqual(before);
  const broken = registryConfigText(before).replace('"port": 7000', '"port": "old-secret"');
  const read = () => parseRegistryConfig(broken, 'registry.json');
  expect(read).toThrow(/^registry\.json: it is not as `admin registry` writes it \(port\): remove it/);
  expect(read).not.toThrow(/old-secret/);
});
