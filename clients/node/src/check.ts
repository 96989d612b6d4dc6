/** What a command saw that it must not see. The client prints it and exits with 1. */
export class Surprise extends Error {}

export function expect(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Surprise(what);
}
