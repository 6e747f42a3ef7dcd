/** Something wrong with a config, for its author. Line and column start at 1 and are absent only when no text was read. */
export interface Problem {
  /** For example `jobs.deploy.plan.do[2].task(x)`; empty for the text as a whole. */
  readonly path: string;
  readonly message: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  /** A way out, for example `did you mean 'repo'?`. */
  readonly hint?: string;
}

/** Something doubtful that does not stop anyone. */
export interface Warning extends Problem {
  readonly type: 'invalid_identifier' | 'deprecated_field' | 'pipeline' | 'var_shadowed' | 'unknown_field';
}

/** One line for a person: `ci/app.yml:12:9: jobs.a.plan.do[0].get(repoo): unknown resource 'repoo'; did you mean 'repo'?` */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(':');
  const where = [place, problem.path].filter((part) => part !== '').join(': ');
  const what = problem.hint === undefined ? problem.message : `${problem.message}; ${problem.hint}`;
  return where === '' ? what : `${where}: ${what}`;
}
