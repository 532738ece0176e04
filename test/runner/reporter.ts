import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node';

/** Names the file that the report goes to. */
export const REPORT_VARIABLE = 'OL_TEST_REPORT';

/** What the runner wants to know of a run of vitest, as plain data. */
export interface TestReport {
  readonly tests: readonly TestResult[];
  /** Errors outside of tests: files that cannot be loaded, failed hooks, unhandled rejections. */
  readonly errors: readonly string[];
}

export interface TestResult {
  /** `test/unit/errors.test.ts > a title` */
  readonly test: string;
  readonly state: 'passed' | 'failed' | 'skipped' | 'pending';
  readonly reason: string | null;
}

/** A reporter of vitest that writes a TestReport when the run is over. */
export default class ReportWriter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const path = process.env[REPORT_VARIABLE];
    if (path === undefined) return;
    const report: TestReport = {
      tests: modules.flatMap((module) => [...module.children.allTests()].map(describeTest)),
      errors: [
        ...modules.flatMap(errorsIn),
        ...unhandled.map(({ name, message }) => `outside of any test: ${name}: ${message}`),
      ],
    };
    writeFileSync(path, JSON.stringify(report));
  }
}

function describeTest(test: TestCase): TestResult {
  const result = test.result();
  const reason = result.state === 'skipped' ? (result.note ?? null) : null;
  return { test: `${pathOf(test.module)} > ${test.fullName}`, state: result.state, reason };
}

function errorsIn(module: TestModule): string[] {
  const places: (TestModule | TestSuite)[] = [module, ...module.children.allSuites()];
  return places
    .filter((place) => place.errors().length > 0)
    .map((place) => (place.type === 'module' ? pathOf(module) : `${pathOf(module)} > ${place.fullName}`));
}

function pathOf(module: TestModule): string {
  return relative(module.project.vitest.config.root, module.moduleId);
}
