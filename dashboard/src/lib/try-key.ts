import { Problem } from "./problem";

/** A random key for one try of an act; `crypto.randomUUID` is missing on plain http beyond loopback. */
function random(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The `Idempotency-Key` of an act: the same while nobody knows whether it arrived, a new one once the gateway has
 * answered that it refuses. Pressed twice, or sent again after a lost answer, the act happens once.
 */
export class TryKey {
  value = random();

  readonly failed = (error: unknown): void => {
    if (error instanceof Problem && error.status >= 400 && error.status < 500) this.value = random();
  };
}
