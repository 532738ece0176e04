import { beforeAll, expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { usePlace } from './run-admin.ts';
import { describeStoreCommands } from './store-commands.ts';

leavesNothing();
const place = usePlace();
beforeAll(async () => {
  await place.admin('new', '--cluster=c');
});

describeStoreCommands(place, /\/c\/registry$/m);

test('a directory has no keys: who gives some is told so', async () => {
  const { status, stderr } = await place.admin('ls', '--cluster=c', '--secret-key=hush-hush');
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: expect.stringMatching(/is a directory, which has no keys.*name a server with --address/),
  });
  expect(stderr).not.toContain('hush-hush');
});

test.each([
  [['ls', '--address=localhost:99999'], /registry_server: `host:port`, or a URL.*this is "localhost:99999"/],
  [['ls', '--address=ftp://x'], /registry_server: `host:port`, or a URL.*this is "ftp:\/\/x"/],
  [['ls', '--address='], /--address is empty: give a value, put it into \$OL_REGISTRY_SERVER/],
  [['rm'], /--handler is missing: name the function, `admin rm --cluster=my-cluster --handler=hello`/],
  [['rm', '--handler=a/b'], /'a\/b' is not a function name: use 1 to 64/],
  [['rm', 'hello'], /too many arguments.*see `admin help rm`/],
  [
    ['upload', '--handler=f'],
    /--file is missing: name the bundle or the directory, `admin upload .* --file=/,
  ],
  [['upload', '--handler=f', '--file='], /--file is empty/],
  [['upload', '--handler=f', '--file=nope'], /nope: it is not there: name a \.tar\.gz, or the directory/],
  [['upload', '--handler=f', '--file=/dev/null'], /\/dev\/null: it is neither a file nor a directory/],
  [['download', '--handler=dir', '--file=a.zip'], /--file=a\.zip is neither a \.tar\.gz nor the name/],
  [['download', '--handler=dir', '--file=a.tar'], /--file=a\.tar is neither a \.tar\.gz nor the name/],
])('%j is refused by name, with what to do', async ([command = '', ...rest], message) => {
  const { status, stdout, stderr } = await place.admin(command, '--cluster=c', ...rest);
  expect({ stdout, stderr }).toEqual({ stdout: '', stderr: expect.stringMatching(message) });
  expect([1, 2]).toContain(status);
});

const BY_ENVIRONMENT = { OL_REGISTRY_SERVER: 'localhost:1', OL_REGISTRY_ACCESS_KEY: 'a' };

test('a server that the environment names goes before the directory; what is missing then is said', async () => {
  const incomplete = await place.adminWith(BY_ENVIRONMENT, 'ls', '--cluster=c');
  expect(incomplete).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/--secret-key is missing: .*\$OL_REGISTRY_SECRET_KEY.*registry_secret_key/),
  });
  const all = { ...BY_ENVIRONMENT, OL_REGISTRY_SECRET_KEY: 'hush-hush' };
  const away = await place.adminWith(all, 'ls', '--cluster=c');
  expect(away).toMatchObject({
    status: 1,
    stderr: expect.stringMatching(/the registry at http:\/\/localhost:1 .*ECONNREFUSED/),
  });
  expect(away.stderr).not.toContain('hush-hush');
});
