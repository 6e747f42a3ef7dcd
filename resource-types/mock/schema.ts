import { z } from 'zod';
import { parseDurationMs } from '../../src/resources/contract.js';

const files = z.record(z.string().min(1), z.unknown());

/** Further keys are let through and mean nothing, as Concourse's own mock does it. */
export const mockSource = z.looseObject({
  mirror_self: z.boolean().optional().describe('get makes an image that steps can run in.'),
  initial_version: z
    .string()
    .optional()
    .describe('Version of the first check. Default: that of the image the type runs in, else `mock`.'),
  no_initial_version: z.boolean().optional().describe('The first check finds nothing.'),
  force_version: z.string().optional().describe('The only version any check finds.'),
  create_files: files
    .optional()
    .describe('Files that get writes: path to text, or to a value that is written as JSON.'),
  check_delay: z
    .string()
    .refine((text) => (parseDurationMs(text) ?? -1) >= 0, 'is not a duration such as "10s"')
    .optional()
    .describe('Time a check takes.'),
  check_failure: z.string().optional().describe('Every check fails with this message.'),
  metadata: z
    .array(z.strictObject({ name: z.string(), value: z.string() }))
    .optional()
    .describe('Metadata of every get and put.'),
  log: z.string().optional().describe('Message every action prints.'),
});

export type MockSource = z.output<typeof mockSource>;

export const mockGetParams = z.looseObject({
  mirror_self_via_params: z.boolean().optional().describe('As mirror_self of the source.'),
  create_files_via_params: files.optional().describe('Further files; they replace those of the source.'),
});

export type MockGetParams = z.output<typeof mockGetParams>;

export const mockPutParams = z.looseObject({
  version: z.string().optional().describe('The version to make.'),
  file: z.string().min(1).optional().describe('File with the version to make.'),
  print_env: z.boolean().optional().describe('Print the variables of the step.'),
});

export type MockPutParams = z.output<typeof mockPutParams>;
