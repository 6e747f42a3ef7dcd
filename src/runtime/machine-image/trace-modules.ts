import { cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

const IMPORT = /(?:\bfrom|\bimport)\s*\(?\s*['"]([^'"]+)['"]/g;

/**
 * Copies an ES module with everything it imports, as far as that is named by plain text: our own modules at the same places
 * relative to each other, packages whole with their dependencies. Sources in TypeScript become JavaScript on the way.
 * @param entries modules below `root`, without their ending
 * @param root the folder that our modules have in common; `node_modules` stands there or above
 */
export async function copyModules(entries: readonly string[], root: string, to: string): Promise<void> {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const waiting = entries.map((entry) => path.join(root, entry));
  for (let module = waiting.pop(); module !== undefined; module = waiting.pop()) {
    if (seen.has(module)) continue;
    seen.add(module);
    const code = await codeOf(module);
    const target = path.join(to, `${path.relative(root, module)}.js`);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, code);
    for (const [, name = ''] of code.matchAll(IMPORT)) {
      if (name.startsWith('.')) waiting.push(path.join(path.dirname(module), name.replace(/\.js$/, '')));
      else if (!name.startsWith('node:')) packages.add(packageOf(name));
    }
  }
  await writeFile(path.join(to, 'package.json'), '{"type":"module"}\n');
  for (const name of packages) await copyPackage(name, root, path.join(to, 'node_modules'));
}

/** The program of a module, compiled when it was not yet. */
async function codeOf(module: string): Promise<string> {
  const compiled = await textIfThere(`${module}.js`);
  if (compiled !== undefined) return compiled;
  const { default: ts } = await import('typescript');
  const { ES2022 } = ts.ScriptTarget;
  return ts.transpileModule(await readFile(`${module}.ts`, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ES2022, target: ES2022 },
  }).outputText;
}

/** `@scope/name/file` is a file of the package `@scope/name`. */
function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

/** Copies a package and what it depends on into the flat folder `to`. */
async function copyPackage(name: string, from: string, to: string): Promise<void> {
  const source = await findPackage(name, from);
  if (source === undefined) return; // a module of Node under its old name, or a dependency for another machine
  const target = path.join(to, name);
  if (await isThere(target)) return;
  // Its own node_modules come with it.
  await cp(source, target, { recursive: true, dereference: true });
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
    await readFile(path.join(source, 'package.json'), 'utf8'),
  ) as { dependencies?: Record<string, string>; optionalDependencies?: Record<string, string> };
  for (const other of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const nested = path.join(source, 'node_modules', other);
    if (await isThere(nested)) await copyNeedsOf(nested, to);
    else await copyPackage(other, source, to);
  }
}

/** What a package that came along inside another needs from outside. */
async function copyNeedsOf(source: string, to: string): Promise<void> {
  const { dependencies = {} } = JSON.parse(await readFile(path.join(source, 'package.json'), 'utf8')) as {
    dependencies?: Record<string, string>;
  };
  for (const other of Object.keys(dependencies)) {
    if (!(await isThere(path.join(source, 'node_modules', other)))) await copyPackage(other, source, to);
  }
}

/** Where Node would find the package from a folder. */
async function findPackage(name: string, from: string): Promise<string | undefined> {
  for (let dir = from; ; dir = path.dirname(dir)) {
    const candidate = path.join(dir, 'node_modules', name);
    if (await isThere(path.join(candidate, 'package.json'))) return candidate;
    if (dir === path.dirname(dir)) return undefined;
  }
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

async function textIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}
