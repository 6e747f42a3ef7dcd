/**
 * What each key of the language means, for editors and for docs/reference. A sentence that begins with "Default:" is the
 * default; without one a flag is false and anything else is absent.
 */
type Meanings = Readonly<Record<string, string>>;

export const PIPELINE: Meanings = {
  jobs: 'What is done. At least one.',
  resources: 'The outside things that the jobs use.',
  resource_types: 'Types of resources that the server does not have, as images.',
  prototypes: 'Types of `run` steps. Accepted, and without effect.',
  var_sources: 'Where `((source:name))` finds its values.',
  groups: 'Tabs of jobs. If there are any, every job must be in one.',
  display: 'How the pipeline is shown.',
  user_data: 'Anything; kept and given back, without effect.',
};

export const GROUP: Meanings = {
  name: 'Name of the tab.',
  jobs: 'Names of jobs, or globs such as `deploy-*`; each must match something.',
  resources: 'Names of resources. Kept and given back, without effect.',
};

export const VAR_SOURCE: Meanings = {
  name: 'The name in `((name:key))`.',
  type: 'Kind of source: `dummy`, `vault`, `ssm`, `secretsmanager` or `idtoken`.',
  config: 'By type; its values may use plain vars and other sources.',
};

export const DISPLAY: Meanings = {
  background_image: 'URL of a picture: http, https, or relative.',
  background_filter: 'CSS filter over the picture.',
};

export const RESOURCE: Meanings = {
  name: 'Its name in steps.',
  old_name: 'The name that it had: its history is taken along.',
  type: 'A resource type of the server, or one of `resource_types`.',
  source: 'Where the thing is and how to reach it; its keys are those of the type.',
  icon: 'Name of an icon to show. Kept and given back.',
  version: 'The version that every get uses, in the whole pipeline; goes before a pin made by a command.',
  check_every: 'Time between two checks, or `never`: only when asked. Default: `--check-interval`.',
  check_timeout: 'Longest time of one check. Default: `--check-timeout`.',
  tags: 'Checks of a type that is an image run on a runtime that has all of these tags; other types run in the server.',
  public: 'In an exposed pipeline everybody sees the metadata of its versions.',
  webhook_token: 'Secret with which the webhook asks for a check.',
  expose_build_created_by: 'Puts learn in `BUILD_CREATED_BY` who started the build.',
};

export const RESOURCE_TYPE: Meanings = {
  name: 'Its name in resources; may be that of a type of the server, which it then replaces.',
  type: 'What the image is a resource of, mostly `registry-image`; may be another of `resource_types`.',
  source: 'Where the image is.',
  params: 'Params of the get that fetches the image.',
  defaults: 'Keys that stand under the `source` of every resource of this type.',
  privileged: 'Its containers are privileged, where the runtime can do that.',
  check_every: 'Look for a newer image at most so often, when one is needed. Default: `--check-interval`.',
  tags: 'Where its `type` is an image: its own image is checked and fetched on a runtime that has all of these tags. Default: those of the resource or step.',
};

export const JOB: Meanings = {
  name: 'Its name.',
  old_name: 'The name that it had: its builds are taken along.',
  plan: 'Its steps, one after the other.',
  serial: 'One build at a time.',
  serial_groups: 'Of all jobs that share one of these names one build runs at a time.',
  max_in_flight: 'Most builds at a time. With `serial` or `serial_groups` it is 1. Default: no bound.',
  interruptible:
    'Its builds are aborted when a runtime that they use is landed for maintenance. A stop of the server interrupts no build.',
  public: 'In an exposed pipeline everybody may read the output of its builds.',
  disable_manual_trigger: 'Nobody can start a build by hand.',
  disable_reruns: 'No build can be run again.',
  tags: 'Tags of all its steps and hooks that have none of their own.',
  build_log_retention: 'How long the output of its builds is kept. Default: for ever.',
  build_logs_to_retain: 'Deprecated: `build_log_retention: {builds: …}`.',
  on_success: 'Step that runs after a build that succeeded.',
  on_failure: 'Step that runs after a build that failed.',
  on_error: 'Step that runs after a build that errored.',
  on_abort: 'Step that runs after a build that was aborted.',
  ensure: 'Step that runs after every build, however it ended.',
};

export const JOB_VAR: Meanings = {
  name: 'The name in `((.:name))`.',
  type: 'What its value must be.',
  required: 'Nobody starts a build without it. Not with `default`, nor in a job that a `get` triggers.',
  default: 'Its value in builds that are not given one. Without it such builds do not have the var.',
  options: 'The only values that it may have.',
  description: 'What it is, for whoever starts a build.',
};

export const RETENTION: Meanings = {
  days: 'For so many days after the end of the build. 0: no bound.',
  builds: 'For the newest so many builds. 0: no bound.',
  minimum_succeeded_builds: 'Of the newest so many that succeeded in any case. At most `builds`.',
};

export const MODIFIERS: Meanings = {
  timeout: 'Longest time that the step may take: then it is stopped and has failed.',
  attempts: 'How often the step is tried until it succeeds.',
  tags: 'The step runs on a runtime that has all of these tags. Default: those of the step around it, or of the job.',
  across: 'Run the step once for each combination of values.',
  fail_fast: 'With `across`: the first combination that is not good stops the others.',
  on_success: 'Step that runs after the step succeeded.',
  on_failure: 'Step that runs after the step failed.',
  on_error: 'Step that runs after the step errored.',
  on_abort: 'Step that runs after the step was aborted.',
  ensure: 'Step that runs after the step, however it ended.',
};

export const ACROSS: Meanings = {
  var: 'Name of the local var: `((.:name))`.',
  values: 'List of values, or a var that is one.',
  max_in_flight: 'How many values run at once, or `all`; the numbers of several vars are multiplied. Default: 1.',
};

export const IN_PARALLEL: Meanings = {
  steps: 'The steps.',
  limit: 'Most steps at once. Default: all of them.',
  fail_fast: 'The first step that is not good stops the others.',
};

export const PASSED: Meanings = {
  all: 'All of these must have passed it.',
  any: 'One of these must have passed it.',
};

export const STEPS: Readonly<Record<string, Meanings>> = {
  get: {
    get: 'Name of the step and of its artifact.',
    resource: 'Name of the resource. Default: the name of the step.',
    passed: 'Only versions that succeeded in these jobs, together with those of the other inputs.',
    trigger: 'A version that the job has not used yet makes a build.',
    version: 'Which version: `latest`, `every`, or this one. Default: `latest`.',
    params: 'How to fetch; the keys are those of the type.',
  },
  put: {
    put: 'Name of the step and of the artifact that it makes.',
    resource: 'Name of the resource. Default: the name of the step.',
    params: 'What to put; the keys are those of the type.',
    inputs: 'Artifacts that it sees: `detect` (those that `params` name), `all`, or a list. Default: `detect`.',
    get_params: 'Params of the get after it.',
    no_get: 'Do not fetch the new version afterwards.',
  },
  task: {
    task: 'Name of the step. The job, this name and a path are one cache.',
    file: 'Task file in an artifact: `artifact/path.yml`. Either this or `config`.',
    config: 'The task, written in place. Either this or `file`.',
    image: 'Artifact that is the image, instead of `image_resource`.',
    privileged: 'With the rights of the server, where the runtime can do that.',
    hermetic: 'Without network, where the runtime can do that.',
    vars: 'Values for vars of the task `file`.',
    params: 'Variables of the environment, over those of the task.',
    input_mapping: 'Input of the task to the artifact that it gets.',
    output_mapping: 'Output of the task to the name under which later steps find it.',
    container_limits: 'Limits, instead of those of the task.',
  },
  set_pipeline: {
    set_pipeline: 'Name of the pipeline; `self` is the pipeline of the build with its instance vars.',
    file: 'The pipeline in an artifact: `artifact/path.yml`. Required.',
    instance_vars: 'Make it an instance of that name; they are template vars, too.',
    vars: 'Template vars.',
    var_files: 'Files in artifacts, each a map of template vars; the first that has a name wins.',
    team: 'The team that gets it; only builds of team `main` may name another. Not with `self`.',
  },
  load_var: {
    load_var: 'Name of the local var: `((.:name))`.',
    file: 'File in an artifact: `artifact/path`. Required.',
    format: 'How to read it. Default: by the ending of the file, else `trim`.',
    reveal: 'The value may be seen in logs.',
  },
  run: {
    run: 'Message to the prototype.',
    type: 'Name of the prototype.',
    params: 'Kept, without effect.',
    privileged: 'Kept, without effect.',
    container_limits: 'Kept, without effect.',
  },
  try: { try: 'The step.' },
  do: { do: 'The steps.' },
  in_parallel: { in_parallel: 'The steps, or a map with them.' },
};

export const TASK: Meanings = {
  platform: 'The system that it is for, such as `linux`; a runtime of that system must be there.',
  image_resource: 'The image that it runs in, as a resource.',
  rootfs_uri: 'Refused when the task runs: use `image_resource`.',
  inputs: 'Artifacts that it needs.',
  outputs: 'Folders that become artifacts when it is over, however it ended.',
  caches: 'Folders that the next build of the job finds again on the same runtime.',
  params: 'Variables of its environment; what is no text becomes JSON.',
  run: 'The command.',
  container_limits: 'Most memory, and its share of the processors.',
};

export const IMAGE_RESOURCE: Meanings = {
  name: 'Without effect.',
  type: 'A resource type whose get makes an image, mostly `registry-image`.',
  source: 'Where the image is.',
  params: 'Params of the get that fetches it.',
  version: 'This version, without a check. Default: the newest.',
  tags: 'Where its type is an image: it is checked and fetched on a runtime that has all of these tags. Default: those of the step.',
};

export const TASK_INPUT: Meanings = {
  name: 'The artifact, unless `input_mapping` gives another.',
  path: 'Where the task finds it. Default: its name.',
  optional: 'The task also runs without it.',
};

export const TASK_OUTPUT: Meanings = {
  name: 'Name of the artifact, unless `output_mapping` gives another.',
  path: 'The folder. It exists when the task begins. Default: its name.',
};

export const TASK_CACHE: Meanings = {
  path: 'The folder.',
  ttl: 'It ends, with its files, so long after its last use; at least `1s`. Default: never.',
};

export const TASK_RUN: Meanings = {
  path: "The program. Default: the image's ENTRYPOINT and CMD.",
  args: 'Its arguments; without `path` they come after those of the image.',
  dir: 'Where it runs, below the working folder. Made when it is missing.',
  user: 'User of the image who runs it. Default: the user of the image.',
};

export const LIMITS: Meanings = {
  cpu: 'Share of the processors against other steps; 1024 is ordinary. 0: no limit.',
  memory: 'Most memory, in bytes or as `512MB`. 0: no limit.',
};
