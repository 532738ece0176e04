import type { Cell } from './cells.ts';

/** Cells by what they are made of; what is left out may be anything. */
export interface CellFilter {
  readonly engine?: Cell['engine'];
  readonly caches?: readonly Cell['caches'][];
  readonly registries?: readonly Cell['registry'][];
}

/** What is not run in each cell, where it is run, and why. */
export interface Rule {
  /** Files below `test/integration`, without `.test.ts`. */
  readonly files: readonly string[];
  /** Parts of titles, as they stand in the file; left out for the whole file. */
  readonly titles?: readonly string[];
  /** The cells where it is run; `once`: by `npm test` alone, whose workers are as they are by default. */
  readonly only: CellFilter | 'once';
  readonly because: string;
}

export function matches(filter: CellFilter, cell: Cell): boolean {
  const { engine = cell.engine, caches = [cell.caches], registries = [cell.registry] } = filter;
  return engine === cell.engine && caches.includes(cell.caches) && registries.includes(cell.registry);
}

/** Why a file (without a title), or a test of it, is not run in a cell; null where it is. */
export function whyNotIn(
  rules: readonly Rule[],
  cell: Cell,
  where: { readonly file: string; readonly title?: string },
): string | null {
  const { file, title } = where;
  const found = rules.find(({ files, titles, only }) => {
    const isMeant =
      files.includes(file) && (titles === undefined || titles.some((one) => title?.includes(one)));
    return isMeant && (only === 'once' || !matches(only, cell));
  });
  return found?.because ?? null;
}
