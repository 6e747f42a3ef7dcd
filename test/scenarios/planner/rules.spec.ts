import { describe, expect, it } from '@jest/globals';
import { readScenarios, type Scenario } from '../../../src/planner/index.js';
import { planLine } from '../../../src/cli/commands/plan.js';
import { rules } from './rules.js';

describe('the planner', () => {
  for (const row of rules) {
    it(row.name, () => {
      const [scenario] = readScenarios(row) as [Scenario];
      expect(planLine(scenario)).toMatchObject(row.expect);
    });
  }
});
