import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findIndex, parsePipConfig } from '../../../src/packages/pip-config.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();

test('settings are read as pip reads them: sections, either separator, lines that go on, comments', () => {
  const text = [
    '# ours',
    '[global]',
    'index_url = https://one.example/simple',
    'find-links =',
    '    /opt/wheels',
    '    https://two.example/files',
    '; and for installing',
    '[install]',
    'index-url: https://three.example/simple',
    '[list]',
    'format = columns',
  ].join('\n');
  expect(parsePipConfig(text)).toEqual({
    'index-url': 'https://three.example/simple',
    'find-links': '\n/opt/wheels\nhttps://two.example/files',
  });
});

test('the environment comes before files, and a mirror before both', async () => {
  const file = join(temp.dir, 'pip.conf');
  await mkdir(temp.dir, { recursive: true });
  await writeFile(
    file,
    '[global]\nindex-url = https://file.example\nextra-index-url = https://a.example https://b.example\nno-index = no\n',
  );
  const env = { HOME: temp.dir, PIP_CONFIG_FILE: file };
  expect(findIndex(null, env)).toMatchObject({
    url: 'https://file.example',
    extraUrls: ['https://a.example', 'https://b.example'],
    noIndex: false,
  });
  expect(findIndex(null, { ...env, PIP_INDEX_URL: 'https://env.example', PIP_NO_INDEX: '1' })).toMatchObject({
    url: 'https://env.example',
    noIndex: true,
  });
  expect(findIndex('https://mirror.example', { ...env, PIP_NO_INDEX: '1' })).toMatchObject({
    url: 'https://mirror.example',
    extraUrls: [],
    noIndex: false,
  });
});

test('certificates are those of a file that is there: no directory, and no link to nowhere', async () => {
  const [file, link] = [join(temp.dir, 'ca.pem'), join(temp.dir, 'link')];
  await writeFile(file, '');
  await symlink(join(temp.dir, 'nowhere'), link);
  const found = (PIP_CERT: string) =>
    findIndex(null, { PIP_CONFIG_FILE: '/dev/null', PIP_CERT, SSL_CERT_FILE: file }).certificates;
  expect([found(temp.dir), found(link), found(join(file, 'x')), found('')]).toEqual([file, file, file, file]);
});
