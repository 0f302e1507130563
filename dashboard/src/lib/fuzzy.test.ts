import { expect, it } from "vitest";
import { fit } from "./fuzzy";

const TITLES = ["Password reset mail never arrives", "PDF invoice is empty on Safari", "Cart badge keeps its number"];
const best = (typed: string): string | undefined =>
  TITLES.map((title) => ({ title, score: fit(typed, title) }))
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score)[0]?.title;

it("finds by parts of words, by first letters, in any order", () => {
  expect(best("reset pass")).toBe(TITLES[0]);
  expect(best("prm")).toBe(TITLES[0]);
  expect(best("pdf")).toBe(TITLES[1]);
  expect(best("crt bdg")).toBe(TITLES[2]);
});

it("does not find what is not there, nor letters strewn about", () => {
  expect(best("zebra")).toBeUndefined();
  expect(fit("aeiou", "Password reset mail never arrives, and so on in unending prose")).toBe(0);
});

it("prefers the beginning of a word to its inside", () => {
  expect(fit("set", "Settings")).toBeGreaterThan(fit("set", "Password reset"));
});
