import path from 'node:path';
import type { JsonValue, LoadVarPlan, PlanNode } from '../../model/index.js';
import { textsIn } from '../../events/index.js';
import { parseYaml } from '../../pipelines/index.js';
import { readArtifactFile } from '../artifact-path.js';
import type { Walk } from '../build-run.js';
import { fillVars } from '../fill-vars.js';
import { runLeaf } from '../leaf.js';
import type { Outcome } from '../outcome.js';
import type { StepSecrets } from '../recall-secrets.js';

interface LoadVarResult extends StepSecrets {
  readonly value: JsonValue;
}

/** Reads a file of an artifact into a local var, known from here to the end of its scope. */
export function loadVarStep(node: PlanNode, plan: LoadVarPlan, walk: Walk): Promise<Outcome> {
  const { run } = walk;
  return runLeaf<LoadVarResult>(node, walk, {
    run: async () => {
      const { file, format } = await fillVars({ file: plan.file, format: plan.format }, walk);
      const value = parseValue(await readArtifactFile(file, walk), format ?? formatOf(file), file);
      return {
        outcome: 'succeeded',
        result: { value, ...(plan.reveal ? {} : { isSecret: true }) },
        events: [
          { event: 'initialize', data: run.at(node.id) },
          { event: 'start', data: run.at(node.id) },
          run.logEvent(node.id, `var ${plan.name} fetched.`),
          { event: 'finish', data: { ...run.at(node.id), succeeded: true } },
        ],
      };
    },
    apply: ({ value }) => {
      if (!plan.reveal) run.redactor.add(textsIn(value));
      walk.scope.setLocalVar(plan.name, value);
    },
  });
}

function formatOf(file: string): string {
  const extension = path.posix.extname(file).slice(1);
  return ['json', 'yml', 'yaml'].includes(extension) ? extension : 'trim';
}

function parseValue(text: string, format: string, file: string): JsonValue {
  switch (format) {
    case 'raw':
      return text;
    case 'trim':
      return text.trim();
    case 'json':
      return parseJson(text, file);
    case 'yml':
    case 'yaml':
      return parseYaml(text, `file '${file}'`);
  }
  throw new Error(`unknown format '${format}': write raw, trim, json, yml or yaml`);
}

function parseJson(text: string, file: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    // The parser's message would quote the file, which may be secret.
    throw new Error(`file '${file}' is not valid JSON`);
  }
}
