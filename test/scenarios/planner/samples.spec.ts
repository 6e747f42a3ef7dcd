import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readScenarios } from '../../../src/planner/index.js';
import { planLine } from '../../../src/cli/commands/plan.js';

const file = path.join(import.meta.dirname, 'samples.json');

describe('the sample scenarios agree', () => {
  for (const scenario of readScenarios(JSON.parse(readFileSync(file, 'utf8')))) {
    it(scenario.name, () => {
      expect(planLine(scenario)).toMatchObject(scenario.expect as object);
    });
  }
});
