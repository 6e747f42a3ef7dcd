const MASK = '((redacted))';
/** Shorter texts are too common to hide. */
const MIN_LENGTH = 4;

/**
 * Hides secrets in texts. A secret is known in the forms in which programs print it: as it is, each of its lines, as JSON,
 * in a URL, and in base64 (also inside a longer encoded text).
 */
export class Redactor {
  private readonly forms = new Set<string>();
  private pattern: RegExp | undefined;
  private longest = 0;

  constructor(secrets: Iterable<string> = []) {
    this.add(secrets);
  }

  /** Secrets of fewer than four characters are ignored. */
  add(secrets: Iterable<string>): void {
    for (const secret of secrets) {
      for (const line of [secret, ...secret.split(/\r?\n/).map((each) => each.trim())]) {
        if (line.length >= MIN_LENGTH) formsOf(line).forEach((form) => this.forms.add(form));
      }
    }
    // Longer ones first: what contains another secret is hidden whole.
    const all = [...this.forms].sort((a, b) => b.length - a.length);
    this.longest = all[0]?.length ?? 0;
    this.pattern = all.length === 0 ? undefined : new RegExp(all.map(escapeRegExp).join('|'), 'g');
  }

  /** A copy of the value with every secret in its texts replaced by `((redacted))`; map keys are left alone. */
  redact<Value>(value: Value): Value {
    return this.pattern ? (this.walk(value) as Value) : value;
  }

  /** How many characters at the end of `text` may be the beginning of a secret that the next text completes. */
  openEnd(text: string): number {
    for (let length = Math.min(this.longest - 1, text.length); length > 0; length--) {
      const end = text.slice(-length);
      for (const form of this.forms) if (form.length > length && form.startsWith(end)) return length;
    }
    return 0;
  }

  private walk(value: unknown): unknown {
    if (typeof value === 'string') return this.pattern ? value.replace(this.pattern, MASK) : value;
    if (Array.isArray(value)) return value.map((each) => this.walk(each));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.walk(each)]));
  }
}

function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const forms = [secret, json, encodeURIComponent(Buffer.from(secret).toString()), ...base64Forms(secret)];
  return forms.filter((form) => form.length >= MIN_LENGTH);
}

/** What of the base64 text depends on the secret alone, for each of the three places it can have in a longer text. */
function base64Forms(secret: string): string[] {
  const forms = [0, 1, 2].flatMap((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]);
    const whole = bytes.toString('base64').replace(/=+$/, '');
    const end = bytes.length % 3 === 0 ? whole.length : whole.length - 1;
    const inner = whole.slice(offset === 0 ? 0 : offset + 1, end);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return forms.filter((form) => form.length >= 6);
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}

const SECRET_KEY = /pass(word|phrase|wd)?$|private_key|secret|token|credential|access_key|api_?key/i;

/** Texts of a source or params map that must not be shown: values under telling keys, and passwords inside URLs. */
export function secretsIn(value: unknown): string[] {
  if (typeof value === 'string') return urlPasswords(value);
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, each]) => (SECRET_KEY.test(key) ? textsIn(each) : secretsIn(each)));
}

/** Every text and number in the value, at any depth, as text. */
export function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value).flatMap(textsIn);
}

function urlPasswords(text: string): string[] {
  return [...text.matchAll(/[a-z][a-z0-9+.-]*:\/\/[^\s/@:]*:([^\s/@]+)@/gi)].map(([, password]) => password ?? '');
}
