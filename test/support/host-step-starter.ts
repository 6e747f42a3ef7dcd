/** A server in miniature, to be killed: `<dataDir> <spec as JSON>` says "go", starts the step, says "started" and stays. */
import { DirectoryArtifactStore, HostRuntime, type StepSpec } from '../../src/runtime/index.js';

const [dataDir = '', spec = ''] = process.argv.slice(2);
const runtime = new HostRuntime(dataDir, new DirectoryArtifactStore(dataDir));
process.stdout.write('go\n');
await runtime.start(JSON.parse(spec) as StepSpec);
process.stdout.write('started\n');
setInterval(() => undefined, 60_000);
