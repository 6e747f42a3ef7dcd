/** Labels of what this runtime makes. Labels of the step itself stand below {@link LABELS.step}. */
export const LABELS = {
  namespace: 'weir.namespace',
  handle: 'weir.handle',
  stdout: 'weir.stdout',
  outputs: 'weir.outputs',
  /** `shared` or `sent`: how the container gets its files. */
  files: 'weir.files',
  step: 'weir.step.',
  artifact: 'weir.artifact',
} as const;
