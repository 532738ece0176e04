import type { ConfigFile } from '../../src/config/schema.ts';

export const ENGINES = ['sock', 'docker'] as const;
export const CACHES = ['none', 'handler', 'import', 'both'] as const;
/** `embedded` is the S3 server that `admin registry` starts, `rclone` another one. */
export const REGISTRIES = ['local', 'embedded', 'rclone'] as const;

/** One cell of the matrix: what a worker is made of. */
export interface Cell {
  readonly engine: (typeof ENGINES)[number];
  readonly caches: (typeof CACHES)[number];
  readonly registry: (typeof REGISTRIES)[number];
}

/** All of them, those that cannot be included. */
export const CELLS: readonly Cell[] = ENGINES.flatMap((engine) =>
  CACHES.flatMap((caches) => REGISTRIES.map((registry) => ({ engine, caches, registry }))),
);

/** `docker/handler/rclone` */
export function nameOf({ engine, caches, registry }: Cell): string {
  return `${engine}/${caches}/${registry}`;
}

/** Why there is no such cell; null where there is. */
export function whyImpossible({ engine, caches }: Cell): string | null {
  const hasImportCache = caches === 'import' || caches === 'both';
  return engine === 'docker' && hasImportCache
    ? 'the import cache belongs to sock: with docker its size is ignored, and its tree is refused (docs/engines.md)'
    : null;
}

/** The size of a cache that is none. */
const OFF = 0;

/** What makes a worker one of the cell. A cache that is on has the size that it has by default. */
export function settingsOf({ engine, caches }: Cell): ConfigFile {
  return {
    sandbox: engine,
    ...(caches === 'none' || caches === 'import' ? { handler_cache_size: OFF } : {}),
    ...(caches === 'none' || caches === 'handler' ? { import_cache_size: OFF } : {}),
  };
}

/** The cells that a pattern names: `sock/none/local`, `*` for any, and words at the end may be left out. */
export function cellsNamed(pattern: string): Cell[] {
  const wanted = pattern.split('/');
  return CELLS.filter((cell) =>
    nameOf(cell)
      .split('/')
      .every((word, index) => ['*', undefined, word].includes(wanted[index])),
  );
}
