const NAMES = /\{\{\s*\.(Team|Pipeline|Secret)\s*\}\}/g;

/** What stands for the names of a path template such as `/concourse/{{.Team}}/{{.Pipeline}}/{{.Secret}}`. */
export interface SecretNames {
  readonly team: string;
  /** Absent for a build without a pipeline. */
  readonly pipeline?: string | undefined;
  readonly secret: string;
}

/** What is wrong with a path template; undefined when nothing is. */
export function secretTemplateFault(template: string): string | undefined {
  const rest = template.replaceAll(NAMES, '');
  if (/\{\{|\}\}/.test(rest)) return 'knows {{.Team}}, {{.Pipeline}} and {{.Secret}} only';
  return /\{\{\s*\.Secret\s*\}\}/.test(template) ? undefined : 'must contain {{.Secret}}';
}

/** The path of a secret. @returns undefined when the template needs a pipeline and there is none. */
export function fillSecretTemplate(template: string, { team, pipeline, secret }: SecretNames): string | undefined {
  let isComplete = true;
  const path = template.replaceAll(NAMES, (_, name: string) => {
    if (name === 'Team') return team;
    if (name === 'Secret') return secret;
    isComplete &&= pipeline !== undefined;
    return pipeline ?? '';
  });
  return isComplete ? path : undefined;
}
