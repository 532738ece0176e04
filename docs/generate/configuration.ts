import { z } from 'zod';
import { checkConfig } from '../../src/config/check.ts';
import { configKeys, configSchema } from '../../src/config/schema.ts';
import { code, table } from './markdown.ts';

const INTRODUCTION = `# Configuration

*Made from \`src/config/schema.ts\` by \`node docs/generate.ts\`: do not edit.*

A worker reads one JSON file when it starts: \`admin worker-exec --config=<file>\` names it. In a cluster nobody has to write
it: \`admin workers\` makes \`<cluster>/config/worker-<N>.json\` for each worker at every start, from \`config/template.json\`
and what is the worker's own (\`cluster_name\`, \`worker_port\`, \`worker_dir\`). So change the template, not those files.

\`admin new\` writes the template with every default in it. \`admin setconf --cluster=<cluster> '{"max_runners": 10}'\` merges
keys into it: a key that is given replaces the old value whole, \`null\` takes the key out and so back to its default, all
others stay. The result is checked before it is written: an unknown key or a wrong value is refused, with the nearest known
key, and the file is left as it was. You may also edit the file by hand; it is checked when a worker starts. Workers that
run already keep what they have read: end them with \`admin kill\`, and start them again.

A key that is left out has its default. Paths are absolute. Names carry their unit: \`_ms\`, \`_kb\` (1024 bytes), \`_mb\`; the
sizes of the two caches are in kB.
`;

const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  ['The worker', ['cluster_name', 'worker_dir', 'worker_port', 'worker_host', 'shutdown_grace_ms']],
  ['Functions', ['registry', 'registry_dir', 'code_cache_mb', 'sandbox_config']],
  [
    'Remote registry',
    [
      'registry_server',
      'registry_access_key',
      'registry_secret_key',
      'registry_bucket',
      'registry_region',
      'registry_check_ms',
      'registry_timeout_ms',
    ],
  ],
  [
    'Packages',
    [
      'pkgs_dir',
      'pip_mirror',
      'startup_pkgs',
      'install_timeout_ms',
      'install_retry_ms',
      'install_mem_limit_mb',
      'install_max_mb',
    ],
  ],
  ['Import cache', ['import_cache_size', 'import_cache_tree', 'import_mem_limit_mb', 'import_timeout_ms']],
  [
    'Sandboxes',
    [
      'sandbox',
      'sock_base_path',
      'docker_image',
      'docker_socket',
      'spare_sandboxes',
      'cg_pool_size',
      'zygote_silent_ms',
    ],
  ],
  ['Network', ['network', 'network_allow', 'network_deny']],
  ['Idle sandboxes', ['handler_cache_size', 'surplus_keep_ms', 'pause_delay_ms']],
  [
    'Limits of a sandbox',
    [
      'mem_limit_mb',
      'cpu_percent',
      'procs_max',
      'open_files_max',
      'file_max_mb',
      'tmp_max_mb',
      'scratch_max_mb',
      'scratch_max_files',
    ],
  ],
  ['Limits of all sandboxes together', ['mem_pool_mb']],
  ['Scheduling', ['sched_tick_us']],
  ['Requests', ['max_runners', 'queue_max', 'invocation_timeout_ms', 'request_max_kb', 'response_max_kb']],
  ['Log', ['log_level', 'timing', 'benchmark_log']],
];

/** What is used of the JSON schema of a key. */
const kindSchema = z.object({
  description: z.string().default(''),
  type: z.string().optional(),
  enum: z.array(z.string()).optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  pattern: z.string().optional(),
  anyOf: z.array(z.unknown()).optional(),
});
type Kind = z.infer<typeof kindSchema>;

/** The content of `docs/configuration.md`. Throws where a key is in no group, or in two. */
export function configurationPage(): string {
  const listed = GROUPS.flatMap(([, keys]) => keys);
  if (listed.toSorted().join() !== configKeys.toSorted().join()) {
    const wrong = [...configKeys, ...listed].filter(
      (key) =>
        listed.indexOf(key) !== listed.lastIndexOf(key) || listed.includes(key) !== configKeys.includes(key),
    );
    throw new Error(
      `docs/generate/configuration.ts has to name each key in one group: see ${wrong.join(', ')}`,
    );
  }
  const { properties } = z.toJSONSchema(configSchema, { io: 'input' });
  const defaults: Record<string, unknown> = checkConfig({}, 'the defaults');
  const row = (key: string) => {
    const kind = kindSchema.parse(properties?.[key]);
    return [code(key), typeOf(kind), defaultOf(defaults[key]), kind.description];
  };
  const sections = GROUPS.map(
    ([title, keys]) => `## ${title}\n\n${table(['key', 'type', 'default', 'meaning'], keys.map(row))}\n`,
  );
  return [INTRODUCTION, ...sections].join('\n');
}

function typeOf(kind: Kind): string {
  if (kind.anyOf !== undefined) return typeOf(kindSchema.parse(kind.anyOf[0]));
  if (kind.enum !== undefined) return kind.enum.map(code).join(', ');
  if (kind.type === 'integer') return `${kind.minimum} to ${kind.maximum}`;
  if (kind.pattern?.startsWith('^\\/') === true) return 'path';
  return kind.type ?? 'any';
}

/** Paths have no value here that is everybody's: their descriptions say what they follow from. */
function defaultOf(value: unknown): string {
  return value === undefined ? '' : code(JSON.stringify(value));
}
