import type { RegistryReport } from '../cluster/registry-report.ts';
import type { ClusterReport, WorkerReport } from '../cluster/report.ts';
import type { SandboxReport } from '../telemetry/sandbox-report.ts';
import { showPath } from './show.ts';

/** The text of `admin status`; a heading names each cluster where the user named none. */
export function statusText(reports: readonly ClusterReport[], { headings }: { headings: boolean }): string {
  return reports
    .map((report) => (headings ? `Cluster ${report.cluster}\n\n` : '') + clusterText(report))
    .join('');
}

function clusterText({ workers, registry }: ClusterReport): string {
  const pings = workers.map(pingLine);
  const sandboxes = sandboxLines(workers.flatMap((worker) => worker.sandboxes));
  const store = registry === null ? [] : ['Registry:', registryLine(registry), ''];
  return ['Worker Pings:', ...pings, '', ...store, 'Cluster containers:', ...sandboxes, '', ''].join('\n');
}

function registryLine({ url, pid, log, error }: RegistryReport): string {
  if (error === null) return `  ${url} => ready [pid ${pid}]`;
  return `  ${url} => ${pid === null ? error : `no answer (${error})`}: see ${showPath(log)}`;
}

function pingLine({ url, log, ping, pid }: WorkerReport): string {
  const what = url.startsWith('http') ? `${url}/status` : url;
  if ('status' in ping) return `  ${what} => ${ping.text} [${ping.status} ${ping.statusText}]`;
  const why = pid === null ? ping.error : `no answer (${ping.error})`;
  return `  ${what} => ${why}: see ${showPath(log)}`;
}

function sandboxLines(sandboxes: readonly SandboxReport[]): string[] {
  const rows = sandboxes.map(({ id, state, pid, memoryKb, ageMs }) => [
    id,
    state,
    pid === null ? '' : `pid ${pid}`,
    `${(memoryKb / 1024).toFixed(1)} MB`,
    age(ageMs),
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`);
}

function age(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}
