import type { JsonObject, JsonValue, PipelineConfig, TaskConfig } from '../../model/index.js';
import { interpolate, InterpolationError, lookupIn } from '../vars/index.js';
import type { Finding, Path } from './finding.js';
import { describePath, describePlainPath } from './place.js';
import type { Problem, Warning } from './problem.js';
import { checkPipeline } from './rules.js';
import { pipelineConfig } from './schema.js';
import { Findings, type Shape } from './shape.js';
import { checkTaskConfig } from './step-rules.js';
import { taskFile } from './task-schema.js';
import { MAX_DEPTH, readYaml, type YamlText } from './yaml-reader.js';

export interface ParseOptions {
  /** Named in every problem. */
  readonly file?: string;
  /** Template vars, filled in after parsing; unknown ones stay. */
  readonly vars?: JsonObject;
}

export interface Parsed<Config> {
  /** Present if and only if there are no problems. What was given, without null fields and unknown top-level keys. */
  readonly config?: Config;
  /** All there are, in the order of the text, at most 1,000. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
}

/** A kind of document: how to read it, which laws span its fields, and how its paths are shown. */
interface Language<Config> {
  readonly shape: Shape<Config>;
  readonly check: (config: Config, found: Findings) => void;
  readonly describe: (root: unknown, path: Path) => string;
}

const PIPELINE: Language<PipelineConfig> = { shape: pipelineConfig, check: checkPipeline, describe: describePath };
const TASK: Language<TaskConfig> = {
  shape: taskFile,
  check: (config, found) => checkTaskConfig(config, [], found),
  describe: describePlainPath,
};

/** Reads pipeline YAML (or JSON). Never throws, whatever the text. */
export function parsePipeline(text: string, options: ParseOptions = {}): Parsed<PipelineConfig> {
  return parse(text, PIPELINE, options);
}

/** As {@link parsePipeline} for a value that was parsed elsewhere; problems have a path but no line. */
export function validatePipelineConfig(value: unknown): Parsed<PipelineConfig> {
  if (isDeeperThan(value, MAX_DEPTH)) {
    return {
      problems: [{ path: '', message: `malformed config: nested deeper than ${MAX_DEPTH} levels` }],
      warnings: [],
    };
  }
  return validate(value, value, PIPELINE, () => ({}));
}

/** Reads a task file. Never throws, whatever the text. */
export function parseTaskConfig(text: string, options: ParseOptions = {}): Parsed<TaskConfig> {
  return parse(text, TASK, options);
}

type Placed = Pick<Problem, 'file' | 'line' | 'column'>;

function parse<Config>(text: string, language: Language<Config>, { file, vars }: ParseOptions): Parsed<Config> {
  const yaml = readYaml(text);
  const placed = (place: Placed): Placed => ({ ...(file === undefined ? {} : { file }), ...place });
  const place = (finding: Finding): Placed => placed(yaml.locate(finding.path, finding.onKey));
  if (yaml.findings.length > 0 || yaml.value === undefined) {
    const problems = yaml.findings.map((finding) =>
      toProblem(finding, yaml.value, language, () => placed(finding.place)),
    );
    return { problems, warnings: [] };
  }
  const filled = fillIn(yaml, vars);
  if (filled.fault !== undefined) {
    return { problems: [toProblem(filled.fault, yaml.value, language, place)], warnings: [] };
  }
  return validate(filled.value, yaml.value, language, place);
}

function fillIn(
  yaml: YamlText,
  vars: JsonObject | undefined,
): { readonly value?: JsonValue; readonly fault?: Finding } {
  if (vars === undefined || yaml.value === undefined) return yaml.value === undefined ? {} : { value: yaml.value };
  try {
    return { value: interpolate(yaml.value, lookupIn(vars), { mode: 'template' }).value };
  } catch (error) {
    if (error instanceof InterpolationError) return { fault: { path: error.path, message: error.message } };
    throw error;
  }
}

function validate<Config>(
  value: unknown,
  root: unknown,
  language: Language<Config>,
  place: (finding: Finding) => Placed,
): Parsed<Config> {
  const found = new Findings();
  const config = language.shape(value, [], found);
  if (config !== undefined) language.check(config, found);
  const problems = found.problems.map((finding) => toProblem(finding, root, language, place)).sort(byPlace);
  const warnings = found.warnings
    .map(({ type, ...finding }) => ({ type, ...toProblem(finding, root, language, place) }))
    .sort(byPlace);
  return { ...(problems.length === 0 && config !== undefined ? { config } : {}), problems, warnings };
}

function toProblem<Config>(
  finding: Finding,
  root: unknown,
  language: Language<Config>,
  place: (finding: Finding) => Placed,
): Problem {
  const { path, message, hint } = finding;
  const words = { path: language.describe(root, path), message };
  return { ...words, ...place(finding), ...(hint === undefined ? {} : { hint }) };
}

function byPlace(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((item) => isDeeperThan(item, levels - 1));
}
