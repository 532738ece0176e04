import { OlError } from '../errors.ts';

/** Somebody who may use packages. */
export interface PackageUser {
  /** The function's, or `<function>@<worker>` for a copy of its code that a worker has. */
  readonly name: string;
  /** The function, where this is such a copy; else null. */
  readonly copyOf: string | null;
  /** The bytes of its packages.txt; null where it has none, or where they could not be had. */
  readonly packagesFile: Buffer | null;
  /** Why they could not be had, and what is to be done; null where they are known. */
  readonly problem: string | null;
}

/** Where users of packages are. */
export interface PackageUsers {
  /** All of them, each with its packages.txt or its problem, by name. Throws where there may be others that it can't name. */
  list(): Promise<readonly PackageUser[]>;
}

/** Those of all places, looked at one after the other. */
export function joined(places: readonly PackageUsers[]): PackageUsers {
  return {
    async list() {
      const found: PackageUser[] = [];
      for (const place of places) found.push(...(await place.list()));
      return found;
    },
  };
}

/** Those whose packages.txt could not be had. */
export function unknownOf(users: readonly PackageUser[]): readonly (PackageUser & { problem: string })[] {
  return users.filter((user): user is PackageUser & { problem: string } => user.problem !== null);
}

/** Throws ERR_USERS_UNKNOWN where anybody may use anything. */
export function checkKnown(users: readonly PackageUser[]): void {
  const [first, ...others] = unknownOf(users);
  if (first === undefined) return;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw new OlError('ERR_USERS_UNKNOWN', { name: first.name, more, reason: first.problem });
}
