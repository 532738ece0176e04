import { test } from 'vitest';

test.todo('soon');
