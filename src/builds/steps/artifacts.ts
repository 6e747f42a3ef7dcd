import type { ArtifactInputPlan, ArtifactOutputPlan, PlanNode } from '../../model/index.js';
import { findArtifact, registerOutput } from '../../persistence/index.js';
import type { ArtifactRef } from '../../runtime/index.js';
import { artifactNamed } from '../artifact-path.js';
import type { Walk } from '../build-run.js';
import { runLeaf, type LeafEnd } from '../leaf.js';
import type { Outcome } from '../outcome.js';

interface InputResult {
  readonly artifacts: Readonly<Record<string, ArtifactRef>>;
}

/** Uploaded files become an artifact of the build. */
export function artifactInputStep(node: PlanNode, plan: ArtifactInputPlan, walk: Walk): Promise<Outcome> {
  return runLeaf<InputResult>(node, walk, {
    run: () => takeUpload(plan, walk),
    apply: ({ artifacts }) => Object.entries(artifacts).forEach(([name, ref]) => walk.scope.setArtifact(name, ref)),
  });
}

async function takeUpload({ name, artifactId }: ArtifactInputPlan, { run }: Walk): Promise<LeafEnd<InputResult>> {
  const { db, artifacts, settings } = run.parts;
  const known = await findArtifact(db, run.build.teamId, artifactId);
  if (known && (await artifacts.exists({ id: known.ref }))) {
    return { outcome: 'succeeded', result: { artifacts: { [name]: { id: known.ref } } } };
  }
  const elsewhere = known && known.instance !== settings.instanceId;
  const reason = elsewhere ? `it is on the server ${known.instance}` : 'it has expired';
  throw new Error(`input '${name}': the uploaded artifact ${artifactId} is not here: ${reason}; upload it again`);
}

/** An artifact of the build is kept for a while, to be fetched. */
export function artifactOutputStep(node: PlanNode, { name }: ArtifactOutputPlan, walk: Walk): Promise<Outcome> {
  const { build, parts } = walk.run;
  return runLeaf<never>(node, walk, {
    run: async () => {
      const { id: ref } = artifactNamed(name, walk, `output '${name}'`);
      const { instanceId: instance, keepArtifactsMs: keepMs } = parts.settings;
      const output = { teamId: build.teamId, buildId: build.id, name, instance, ref, keepMs };
      return { outcome: 'succeeded', also: (tx) => registerOutput(tx, output) };
    },
  });
}
