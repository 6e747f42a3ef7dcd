const MASK = '((redacted))';
/** Shorter texts are too common to hide. */
const MIN_LENGTH = 4;

/** More characters than this are not held back because secrets lie in each other without an end. */
const MOST_HELD = 16_384;

/**
 * Hides secrets in texts. A secret is known in the forms in which programs print it: as it is, each of its lines, as JSON,
 * in a URL, and in base64 (also inside a longer encoded text). Secrets that overlap are hidden together.
 */
export class Redactor {
  private readonly forms = new Set<string>();
  private pattern: RegExp | undefined;
  private longest = 0;
  /** Some secret goes over more than one line. */
  spansLines = false;

  constructor(secrets: Iterable<string> = []) {
    this.add(secrets);
  }

  /** Secrets of fewer than four characters are ignored. */
  add(secrets: Iterable<string>): void {
    const before = this.forms.size;
    for (const secret of secrets) {
      for (const text of [secret, secret.trim(), ...secret.split(/\r?\n/).map((each) => each.trim())]) {
        if (text.length >= MIN_LENGTH) formsOf(text).forEach((form) => this.forms.add(form));
      }
    }
    if (this.forms.size === before) return;
    // Longer ones first: what begins with another secret is hidden whole.
    const all = [...this.forms].sort((a, b) => b.length - a.length);
    this.longest = all[0]?.length ?? 0;
    this.spansLines = all.some((form) => form.includes('\n'));
    this.pattern = new RegExp(all.map(escapeRegExp).join('|'), 'g');
  }

  /** A copy of the value with every secret in its texts replaced by `((redacted))`; map keys are left alone. */
  redact<Value>(value: Value): Value {
    return this.pattern ? (this.walk(value) as Value) : value;
  }

  /**
   * How many characters at the end of `text` must wait for the next text: they may begin a secret that it completes, or
   * belong to one that such a beginning overlaps.
   */
  openEnd(text: string): number {
    const cut = text.length - this.longestBeginning(text);
    if (cut === text.length) return 0;
    const across = this.spansIn(text).find(({ start, end }) => start < cut && cut < end);
    if (!across) return text.length - cut;
    const held = text.length - across.start;
    return held > MOST_HELD ? text.length - across.end : held;
  }

  /** How long the longest end of `text` is that a secret begins with. */
  private longestBeginning(text: string): number {
    for (let length = Math.min(this.longest - 1, text.length); length > 0; length--) {
      const end = text.slice(-length);
      for (const form of this.forms) if (form.length > length && form.startsWith(end)) return length;
    }
    return 0;
  }

  /** Where secrets stand, in order; those that overlap are one. */
  private spansIn(text: string): Span[] {
    const { pattern } = this;
    const spans: Span[] = [];
    if (!pattern) return spans;
    pattern.lastIndex = 0;
    for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
      const [start, end] = [match.index, match.index + match[0].length];
      const last = spans.at(-1);
      if (last && start < last.end) last.end = Math.max(last.end, end);
      else spans.push({ start, end });
      pattern.lastIndex = start + 1; // another may begin inside of this one
    }
    return spans;
  }

  private walk(value: unknown): unknown {
    if (typeof value === 'string') return this.hide(value);
    if (Array.isArray(value)) return value.map((each) => this.walk(each));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.walk(each)]));
  }

  private hide(text: string): string {
    let hidden = '';
    let at = 0;
    for (const { start, end } of this.spansIn(text)) {
      hidden += text.slice(at, start) + MASK;
      at = end;
    }
    return at === 0 ? text : hidden + text.slice(at);
  }
}

interface Span {
  readonly start: number;
  end: number;
}

function formsOf(secret: string): string[] {
  const forms = [secret, ...jsonForms(secret), ...urlForms(secret), ...base64Forms(secret)];
  return forms.filter((form) => form.length >= MIN_LENGTH);
}

/** As JavaScript, Go (`<>&` escaped), Python (ASCII only) and PHP (`/` escaped) write it. */
function jsonForms(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const code = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return [
    json,
    json.replace(/[<>&\u2028\u2029]/g, code),
    json.replace(/[^\x20-\x7e]/g, code),
    json.replaceAll('/', '\\/'),
  ];
}

/** Encoders differ in the punctuation they leave alone, in blanks and in the case of digits. */
function urlForms(secret: string): string[] {
  const text = Buffer.from(secret).toString(); // a lone surrogate cannot be encoded
  const component = encodeURIComponent(text);
  const strict = component.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
  const forms = [encodeURI(text), component, strict, component.replaceAll('%20', '+'), strict.replaceAll('%20', '+')];
  return [...forms, ...forms.map((form) => form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()))];
}

/**
 * The whole, also wrapped as `base64` and PEM files do, and what of it depends on the secret alone for each of the three
 * places that it can have in a longer text.
 */
function base64Forms(secret: string): string[] {
  const whole = Buffer.from(secret).toString('base64').replace(/=+$/, '');
  const wrapped = [64, 76].filter((width) => whole.length > width).flatMap((width) => pieces(whole, width));
  const inner = [0, 1, 2].map((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]);
    const text = bytes.toString('base64').replace(/=+$/, '');
    return text.slice(offset === 0 ? 0 : offset + 1, bytes.length % 3 === 0 ? text.length : text.length - 1);
  });
  const forms = [whole, ...wrapped, ...inner];
  return [...forms, ...forms.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))];
}

function pieces(text: string, width: number): string[] {
  return Array.from({ length: Math.ceil(text.length / width) }, (_, place) =>
    text.slice(place * width).slice(0, width),
  );
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
