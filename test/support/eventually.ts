/** Waits until the condition gives something other than undefined, false or null. @throws with its name after 10 s. */
export async function eventually<Value>(
  what: string,
  condition: () => Promise<Value | undefined | false | null>,
  deadlineMs = 10_000,
): Promise<Value> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false && value !== null) return value;
    if (Date.now() > end) throw new Error(`did not happen within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
