import { expect, test } from 'vitest';
import { upstreamFor } from '../../../src/packages/upstream.ts';

const PYPI = { host: 'index.example', port: 443 };

/** `host:port` of the proxy that is chosen. */
function chosen(
  env: NodeJS.ProcessEnv,
  { server = PYPI, scheme = 'https' as 'http' | 'https', pipProxy = null as string | null } = {},
): string | null {
  const upstream = upstreamFor(server, scheme, { pipProxy, env });
  return upstream === null ? null : `${upstream.host}:${upstream.port}`;
}

test('each scheme has a proxy of its own, in small letters before capitals, and one may stand for all', () => {
  const env = { https_proxy: 'http://s:1', HTTPS_PROXY: 'http://S2:2', HTTP_PROXY: 'http://p:3' };
  expect([chosen(env), chosen(env, { scheme: 'http' })]).toEqual(['s:1', 'p:3']);
  expect([chosen({ ALL_PROXY: 'http://a:4' }), chosen({ http_proxy: 'http://p:3' })]).toEqual(['a:4', null]);
  expect(chosen({ https_proxy: '', all_proxy: 'http://a:4' })).toBeNull();
  expect(chosen({})).toBeNull();
});

test("pip's own proxy goes before the environment, with its no_proxy", () => {
  const env = { https_proxy: 'http://s:1', no_proxy: '*' };
  expect(chosen(env, { pipProxy: 'pip:5' })).toBe('pip:5');
  expect(chosen(env)).toBeNull();
});

test.each([
  ['index.example', 'index.example', 443, true],
  ['EXAMPLE', 'index.example', 443, true],
  ['.example', 'index.example', 443, true],
  ['*.example', 'index.example', 443, true],
  ['dex.example', 'index.example', 443, false],
  ['index.example:8080', 'index.example', 443, false],
  ['index.example:443', 'index.example', 443, true],
  ['a, b index.example', 'index.example', 443, true],
  ['*', 'index.example', 443, true],
  ['10.0.0.0/8', '10.1.2.3', 443, true],
  ['10.0.0.0/8', '11.1.2.3', 443, false],
  ['10.0.0.0/99', '10.1.2.3', 443, false],
  ['10.1.2.3', '10.1.2.3', 443, true],
  ['2001:db8::/32', '2001:db8::1', 443, true],
  ['2001:db8::1', '2001:db8::1', 443, true],
  ['[2001:db8::1]:443', '2001:db8::1', 443, true],
  ['', 'index.example', 443, false],
])('no_proxy %j and %s:%i: %s', (list, host, port, isExempt) => {
  const env = { https_proxy: 'http://s:1', NO_PROXY: list };
  expect(chosen(env, { server: { host, port } })).toBe(isExempt ? null : 's:1');
});

test.each(['localhost', '127.0.0.1', '127.9.9.9', '::1'])('%s is never reached through a proxy', (host) => {
  const server = { host, port: 80 };
  expect(chosen({ all_proxy: 'http://a:4' }, { server })).toBeNull();
  expect(chosen({}, { server, pipProxy: 'http://a:4' })).toBeNull();
});

test('an address may leave out what it can, have a name and a password, and ask for TLS', () => {
  const parse = (https_proxy: string) => upstreamFor(PYPI, 'https', { pipProxy: null, env: { https_proxy } });
  expect(parse('proxy.example')).toEqual({
    host: 'proxy.example',
    port: 80,
    isTls: false,
    authorization: null,
  });
  expect(parse('https://me:p%40ss@proxy.example')).toEqual({
    host: 'proxy.example',
    port: 443,
    isTls: true,
    authorization: `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
  });
  expect(parse('http://[2001:db8::1]:3128')).toMatchObject({ host: '2001:db8::1', port: 3128 });
});

test.each([
  'socks5://me:secret@proxy:1080',
  'http://',
  'http://me:secret@proxy:99999',
])('what is no address of a proxy (%s) is refused by the name of the setting, and not shown', (https_proxy) => {
  const choose = () => upstreamFor(PYPI, 'https', { pipProxy: null, env: { https_proxy } });
  expect(choose).toThrow(
    'what https_proxy says is no address of a proxy that is understood (http://host:port)',
  );
  expect(choose).not.toThrow('secret');
});

test('a password with a % that was not written as one is told of, and not shown', () => {
  const env = { https_proxy: 'http://me:100%secret@proxy:3128' };
  const choose = () => upstreamFor(PYPI, 'https', { pipProxy: null, env });
  expect(choose).toThrow('the user or password in what https_proxy says has a % that stands for nothing');
  expect(choose).not.toThrow('secret');
});
