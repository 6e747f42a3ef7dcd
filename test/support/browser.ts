/** A browser as far as logins need one: it keeps cookies by origin and goes where it is sent, one step at a time. */
export class Browser {
  private readonly jar = new Map<string, Map<string, string>>();

  /** @param homes addresses that are served elsewhere: `https://ci.example/weir` by a server on this machine. */
  constructor(private readonly homes: Readonly<Record<string, string>>) {}

  /** One request, by POST if there is a form. */
  async ask(address: string, form?: Readonly<Record<string, string>>): Promise<Response> {
    const home = Object.entries(this.homes).find(([public_]) => address.startsWith(public_));
    const url = home ? home[1] + address.slice(home[0].length) : address;
    const { origin } = new URL(address);
    const cookies = this.jar.get(origin) ?? new Map<string, string>();
    this.jar.set(origin, cookies);
    const answer = await fetch(url, {
      redirect: 'manual',
      headers: { accept: 'text/html', cookie: [...cookies].map((pair) => pair.join('=')).join('; ') },
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(cookie)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return answer;
  }

  /** Goes on until somebody shows a page. @returns where it is, and what was answered there. */
  async visit(
    address: string,
    form?: Readonly<Record<string, string>>,
  ): Promise<{ readonly address: string; readonly answer: Response; readonly text: string }> {
    let [at, answer] = [address, await this.ask(address, form)];
    for (let step = 0; answer.status >= 300 && answer.status < 400; step++) {
      if (step > 15) throw new Error(`sent in a circle at ${at}`);
      at = new URL(answer.headers.get('location') ?? '', at).href;
      answer = await this.ask(at);
    }
    return { address: at, answer, text: await answer.text() };
  }

  cookie(origin: string, name: string): string | undefined {
    return this.jar.get(origin)?.get(name);
  }
}
