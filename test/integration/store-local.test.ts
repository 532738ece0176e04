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
