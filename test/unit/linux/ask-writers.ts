import { openSync } from 'node:fs';
import { writersOf } from '../../../src/linux/lease.ts';

// A program of its own, so that a test can run it as another user: prints what `writersOf` says of the file it is given.
const [path = ''] = process.argv.slice(2);
process.stdout.write(writersOf(openSync(path, 'r'), path));
