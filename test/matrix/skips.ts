/** In a cell of the matrix, skips each test that means nothing there, with the reason of the table. */
import { basename } from 'node:path';
import { beforeEach } from 'vitest';
import { CURRENT_CELL, DEFAULT_CELL } from '../helpers/cell.ts';
import { whyNotIn } from './rules.ts';
import { RULES } from './table.ts';

if (CURRENT_CELL !== DEFAULT_CELL) {
  beforeEach(({ task, skip }) => {
    const file = basename(task.file.filepath, '.test.ts');
    const why = whyNotIn(RULES, CURRENT_CELL.cell, { file, title: task.name });
    if (why !== null) skip(why);
  });
}
