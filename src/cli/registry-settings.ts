import { UsageError } from './command.ts';

/** What a command may be told of a registry, beside what its cluster knows. */
export interface RegistrySettings {
  readonly address?: string;
  readonly accessKey?: string;
  readonly secretKey?: string;
}

type Name = keyof RegistrySettings;

/**
 * The flags, and the variables that stand in for them: a secret need not be on a command line, which every user of the machine
 * can read.
 */
export const SETTINGS = {
  address: { flag: '--address', variable: 'OL_REGISTRY_SERVER' },
  accessKey: { flag: '--access-key', variable: 'OL_REGISTRY_ACCESS_KEY' },
  secretKey: { flag: '--secret-key', variable: 'OL_REGISTRY_SECRET_KEY' },
} as const satisfies Record<Name, unknown>;

/** What the flags say of `names`, or else the environment. An empty variable counts as none. Throws UsageError for an empty flag. */
export function givenSettings(
  flags: RegistrySettings,
  names: readonly Name[],
  env: NodeJS.ProcessEnv,
): RegistrySettings {
  const given: { -readonly [name in Name]?: string } = {};
  for (const name of names) {
    const { flag, variable } = SETTINGS[name];
    if (flags[name] === '') {
      throw new UsageError(`${flag} is empty: give a value, put it into $${variable}, or leave ${flag} out`);
    }
    const value = flags[name] ?? env[variable];
    if (value !== undefined && value !== '') given[name] = value;
  }
  return given;
}
