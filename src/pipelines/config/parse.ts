import type { JsonObject, PipelineConfig, TaskConfig } from '../../model/index.js';
import type { Problem, Warning } from './problem.js';

export interface ParseOptions {
  /** Named in every problem. */
  readonly file?: string;
  /** Template vars, filled in after parsing; unknown ones stay. */
  readonly vars?: JsonObject;
}

export interface Parsed<Config> {
  /** Present if and only if there are no problems. */
  readonly config?: Config;
  /** All there are, in the order of the text, at most 1,000. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
}

/** Reads pipeline YAML (or JSON). Never throws, whatever the text. */
export function parsePipeline(_text: string, _options: ParseOptions = {}): Parsed<PipelineConfig> {
  throw new Error('not built yet');
}

/** As {@link parsePipeline} for a value that was parsed elsewhere; problems have a path but no line. */
export function validatePipelineConfig(_value: unknown): Parsed<PipelineConfig> {
  throw new Error('not built yet');
}

/** Reads a task file. Never throws, whatever the text. */
export function parseTaskConfig(_text: string, _options: ParseOptions = {}): Parsed<TaskConfig> {
  throw new Error('not built yet');
}
