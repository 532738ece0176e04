import { gzipSync } from 'node:zlib';
import {
  bundleOf,
  END,
  gnuLong,
  HANDLER,
  paxEntry,
  paxRecord,
  type TarParts,
  tarEntry,
  tarOf,
} from './tar-bytes.ts';

const dir = (name: string): TarParts => ({ name, type: '5', mode: 0o755 });
const link = (name: string, target: string): TarParts => ({ name, type: '2', target });
export const hard = (name: string, target: string): TarParts => ({ name, type: '1', target });
export const file = (name: string, body = 'x'): TarParts => ({ name, body });
const deep = (depth: number) => Array.from({ length: depth }, () => 'd').join('/');
const whole = bundleOf(file('data', 'y'.repeat(3000)));

/** Bundles that nobody honest makes: each of them, and what its refusal says. */
export const HOSTILE_BUNDLES: Readonly<Record<string, readonly [Buffer, RegExp | string]>> = {
  'an absolute path': [bundleOf(file('/tmp/ol-evil')), '/tmp/ol-evil is an absolute path'],
  'an absolute path in a PAX header': [
    bundleOf(paxEntry(paxRecord('path', '/tmp/ol-evil')), file('ok')),
    '/tmp/ol-evil is an absolute path',
  ],
  "a path with '..'": [bundleOf(file('../canary')), "../canary has '..' in its path"],
  "a path with '..' further on": [bundleOf(dir('a/'), file('a/../../canary')), "has '..' in its path"],
  "a path that stays inside by '..'": [bundleOf(file('a/../b')), "has '..' in its path"],
  "'..' in the prefix": [bundleOf({ ...file('canary'), prefix: '..' }), "../canary has '..' in its path"],
  "'..' as a directory": [bundleOf(dir('..')), "has '..' in its path"],
  "'..' by GNU's long name": [bundleOf(gnuLong('../canary'), file('ok')), "has '..' in its path"],
  'a link to an absolute path': [
    bundleOf(link('l', '/etc/passwd')),
    'l is an absolute link (to /etc/passwd)',
  ],
  'a link that leaves': [
    bundleOf(link('l', '../canary')),
    "l is a link that leaves the function's directory",
  ],
  'a link that leaves later': [bundleOf(link('l', 'a/../../canary')), "l is a link with '..' in the middle"],
  'a link that leaves by a PAX header': [
    bundleOf(paxEntry(paxRecord('linkpath', '../canary')), link('l', 'ok')),
    'l is a link that leaves',
  ],
  'a link, then a write through it': [bundleOf(link('l', '.'), file('l/evil')), "below 'l', which is a link"],
  'a link, then a write through it, by another name': [
    bundleOf(link('l', 'a'), dir('a'), file('./l//evil')),
    "l/evil is below 'l', which is a link",
  ],
  'a link, then a directory in its place': [bundleOf(link('l', '.'), dir('l')), 'l is there twice'],
  'a link, then a file in its place': [bundleOf(link('l', 'x'), file('l')), 'l is there twice'],
  'a link in the place of a directory': [bundleOf(file('a/b'), link('a', '.')), 'a is there twice'],
  'a link to nothing': [bundleOf(link('l', '')), 'l is a link to nothing'],
  'a link with a content': [bundleOf({ ...link('l', 'a'), body: 'x' }), 'l has a content, and is no file'],
  'the top as a link': [bundleOf(link('./', '..')), /is a link that leaves/],
  'the top as a link to itself': [bundleOf(link('./', 'a')), /refused: .*twice|refused: .*top/],
  'a hard link to the outside': [
    bundleOf(hard('h', '../canary')),
    "h is a hard link, and what it links to (../canary) has '..'",
  ],
  'a hard link to an absolute path': [
    bundleOf(hard('h', '/etc/shadow')),
    'h is a hard link, and what it links to',
  ],
  'a hard link through a link': [
    bundleOf(link('a/b/c/up', '../..'), link('a/b/escape', 'c/up'), hard('h', 'a/b/escape/canary')),
    'h is a hard link to what is no file before it',
  ],
  'a hard link to a link': [
    bundleOf(link('l', 'x'), hard('h', 'l')),
    'h is a hard link to what is no file before it',
  ],
  'a hard link to itself': [bundleOf(hard('h', 'h')), 'h is a hard link to what is no file before it'],
  'a hard link to what is left out': [bundleOf(file('a.pyc'), hard('h', 'a.pyc')), 'no file before it'],
  'a hard link with a content': [bundleOf({ ...hard('h', 'lambda_func.py'), body: 'x' }), 'h has a content'],
  'a character device': [bundleOf({ name: 'null', type: '3' }), 'null is a device'],
  'a block device': [bundleOf({ name: 'sda', type: '4' }), 'sda is a device'],
  'a FIFO': [bundleOf({ name: 'pipe', type: '6' }), 'pipe is a FIFO'],
  'a FIFO for lambda_func.py': [
    gzipSync(tarOf({ name: 'lambda_func.py', type: '6' })),
    'lambda_func.py is a FIFO',
  ],
  'an unknown kind': [
    bundleOf({ name: 'what', type: 'Q' }),
    "what is of a kind that functions have no use for ('Q')",
  ],
  'a set-user-id bit': [
    bundleOf({ ...file('su'), mode: 0o4755 }),
    'su has a set-user-id or set-group-id bit',
  ],
  'a set-group-id bit': [
    bundleOf({ ...file('sg'), mode: 0o2755 }),
    'sg has a set-user-id or set-group-id bit',
  ],
  'a set-user-id bit of a directory': [bundleOf({ ...dir('d'), mode: 0o4755 }), 'd has a set-user-id'],
  'file capabilities': [
    bundleOf(paxEntry(paxRecord('SCHILY.xattr.security.capability', 'x')), file('cap')),
    'it has a file with capabilities',
  ],
  'a name twice': [bundleOf(file('a'), file('a')), 'a is there twice'],
  'a name twice, written differently': [bundleOf(file('a'), file('./a')), './a is there twice'],
  'lambda_func.py twice': [bundleOf(HANDLER), 'lambda_func.py is there twice'],
  'a directory twice': [bundleOf(dir('a'), dir('a/')), 'a/ is there twice'],
  'a directory and a file of one name': [bundleOf(dir('a'), file('a')), 'a is there twice'],
  'a file and a directory of one name': [bundleOf(file('a'), dir('a')), 'a is there twice'],
  'a file below a file': [bundleOf(file('a'), file('a/b')), "a/b is below 'a', which is a file"],
  "a file with a directory's name": [bundleOf(file('a/')), "a/ is a file with a directory's name"],
  'a directory with a content': [bundleOf({ ...dir('a'), body: 'x' }), 'a has a content, and is no file'],
  'a sparse file of GNU': [
    bundleOf({ name: 'sparse', type: 'S', magic: 'ustar  \0' }),
    'sparse is a sparse file',
  ],
  'a sparse file in a PAX header': [
    bundleOf(paxEntry(paxRecord('GNU.sparse.major', '1')), file('GNUSparseFile.0/s')),
    'it has a sparse file',
  ],
  'an empty name': [bundleOf(file('')), 'it has an entry without a name'],
  'only a prefix': [bundleOf({ ...file(''), prefix: '..' }), "has '..' in its path"],
  'a name that is not UTF-8': [
    bundleOf({ name: Buffer.from([0x61, 0xff, 0xfe]) }),
    'has a name that is not UTF-8',
  ],
  'a surrogate in a name': [
    bundleOf({ name: Buffer.from([0xed, 0xa0, 0x80]) }),
    'has a name that is not UTF-8',
  ],
  'an overlong slash in a name': [
    bundleOf({ name: Buffer.from([0x2e, 0x2e, 0xc0, 0xaf, 0x61]) }),
    'has a name that is not UTF-8',
  ],
  'a newline in a name': [bundleOf(file('a\nb')), '"a\\nb" has a control character'],
  'an escape in a name': [bundleOf(file('\u001b[2Jx')), '"\\u001b[2Jx" has a control character'],
  'a NUL in a name': [
    bundleOf(paxEntry(paxRecord('path', 'ok\0/../x')), file('ok')),
    'has a control character',
  ],
  'a NUL in a target': [
    bundleOf(paxEntry(paxRecord('linkpath', 'ok\0x')), link('l', 'ok')),
    'l has a control',
  ],
  'a name of 300 bytes': [bundleOf(gnuLong('n'.repeat(300)), file('n')), 'is a name of more than 255 bytes'],
  'a path of 3,000 bytes': [
    bundleOf(gnuLong(Array.from({ length: 30 }, () => 'n'.repeat(100)).join('/')), file('n')),
    'is a path of more than 2048 bytes',
  ],
  '33 directories in each other': [bundleOf(file(`${deep(33)}/x`)), 'is more than 32 directories deep'],
  'a huge PAX header': [
    bundleOf(paxEntry(paxRecord('comment', 'c'.repeat(300_000))), file('a')),
    'of more than 256 kB',
  ],
  'a PAX header that says it is huge': [
    bundleOf({ name: 'x', type: 'x', size: 2 ** 32 }),
    'of more than 256 kB',
  ],
  'a PAX record with a wrong length': [
    bundleOf(paxEntry('99 path=a\n'), file('a')),
    'a damaged extended header',
  ],
  'a PAX record without an end': [bundleOf(paxEntry('10 path=abc'), file('a')), 'a damaged extended header'],
  'a PAX record without a length': [bundleOf(paxEntry('path=a\n'), file('a')), 'a damaged extended header'],
  'a PAX header that says a path twice': [
    bundleOf(paxEntry(paxRecord('path', 'a') + paxRecord('path', '../b')), file('a')),
    'says path twice',
  ],
  'a PAX header and a long name': [
    bundleOf(paxEntry(paxRecord('path', 'a')), gnuLong('../b'), file('a')),
    'two extended headers that say the name',
  ],
  'a PAX size below zero': [
    bundleOf(paxEntry(paxRecord('size', '-1')), file('a')),
    'a size that is no number',
  ],
  'a global header with a path': [
    bundleOf(paxEntry(paxRecord('path', '../a'), 'g'), file('a')),
    'a global header',
  ],
  'a header for nothing at the end': [
    bundleOf(paxEntry(paxRecord('path', 'a'))),
    'an extended header for nothing',
  ],
  'a size that is no number': [
    bundleOf({ ...file('a'), size: '99999999999' }),
    'a has no number for its size',
  ],
  'a binary size below zero': [
    bundleOf({ ...file('a'), size: '\xff\xff\xff\xff' }),
    'a has no number for its size',
  ],
  'a size of 8 GB': [bundleOf({ ...file('a'), size: 0o77777777777 }), 'it holds more than 512 MB'],
  'a size beyond the end': [bundleOf({ ...file('a'), size: 100_000 }), 'it is cut off'],
  'a wrong checksum': [bundleOf({ ...file('a'), wrong: 1 }), 'it is damaged (tar: wrong checksum)'],
  'nothing at all': [Buffer.alloc(0), 'it is empty'],
  'gzip of nothing': [gzipSync(Buffer.alloc(0)), 'it is cut off'],
  'tar of nothing': [gzipSync(END), 'it has no file lambda_func.py at its top'],
  'no gzip': [tarOf(HANDLER), 'it is no gzip'],
  'a text': [Buffer.from('def handler(event): pass\n'), 'it is no gzip'],
  'no tar': [gzipSync(Buffer.alloc(5000, 'def handler(event): pass\n')), 'it is no tar archive'],
  'a gzip that is cut off': [whole.subarray(0, whole.length - 20), 'it is cut off'],
  'a gzip without its last byte': [whole.subarray(0, whole.length - 1), 'it is cut off'],
  'a gzip of one byte': [whole.subarray(0, 1), 'it is cut off'],
  'a gzip with a changed byte': [
    changed(whole, whole.length - 6),
    'it is damaged (gzip: incorrect data check)',
  ],
  'a tar without its end': [gzipSync(HANDLER), 'it is cut off'],
  'a tar with half its end': [gzipSync(Buffer.concat([HANDLER, Buffer.alloc(512)])), 'it is cut off'],
  'a tar that ends in a header': [gzipSync(HANDLER.subarray(0, 300)), 'it is cut off'],
  'something behind the end of the tar': [
    gzipSync(Buffer.concat([tarOf(HANDLER), tarEntry(file('../canary'))])),
    'it has something behind its end',
  ],
  'a second archive': [
    gzipSync(Buffer.concat([tarOf(HANDLER), tarOf(file('b'))])),
    'something behind its end',
  ],
  'something behind the end of the gzip': [
    Buffer.concat([whole, Buffer.from('garbage')]),
    'something else behind its end',
  ],
  'zeros behind the end of the gzip': [
    Buffer.concat([whole, Buffer.alloc(100)]),
    'it has something behind its end',
  ],
  'no lambda_func.py': [gzipSync(tarOf(file('other.py'))), 'it has no file lambda_func.py at its top'],
  'lambda_func.py one directory down': [
    gzipSync(tarOf(dir('hello/'), file('hello/lambda_func.py'))),
    'it is in hello: pack what is in that directory',
  ],
  'lambda_func.py as a directory': [
    gzipSync(tarOf(file('lambda_func.py/x'))),
    'it has no file lambda_func.py',
  ],
  'lambda_func.py as a link to nowhere': [
    gzipSync(tarOf(link('lambda_func.py', 'gone'))),
    'it has no file lambda_func.py',
  ],
  'lambda_func.py as a link to itself': [
    gzipSync(tarOf(link('lambda_func.py', 'lambda_func.py'))),
    'it has no file lambda_func.py',
  ],
  'packages.txt as a link to the outside': [
    bundleOf(link('packages.txt', '../canary')),
    'packages.txt is a link that leaves',
  ],
  'packages.txt as a link to an absolute path': [
    bundleOf(link('packages.txt', '/etc/passwd')),
    'packages.txt is an absolute link (to /etc/passwd)',
  ],
  'packages.txt as a device': [bundleOf({ name: 'packages.txt', type: '3' }), 'packages.txt is a device'],
  'lambda_func.py as a link to the outside': [
    gzipSync(tarOf(link('lambda_func.py', '../canary'))),
    'lambda_func.py is a link that leaves',
  ],
};

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

/** Compressed 1,000 to 1. */
export function compressionBomb(): Buffer {
  return bundleOf(file('zeros', '\0'.repeat(64 * 2 ** 20)));
}

/** Of which none would be unpacked. */
export function millionEntries(): Buffer {
  const entries = Buffer.alloc(512 * 1_000_000, tarEntry({ name: 'n.pyc' }));
  return gzipSync(Buffer.concat([HANDLER, entries, END]), { level: 1 });
}
