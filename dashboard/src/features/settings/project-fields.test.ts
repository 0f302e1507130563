import { expect, it } from "vitest";
import type { Project } from "@/api/types";
import { bodyOf, fieldsOf } from "./project-fields";

const project = { id: "p", name: "Shop", budget: { tokens_day: 5, usd_day: 2.5 }, follow_ups: 0 } as unknown as Project;

it("an empty field is the default, 0 is 0, and limits in tokens stay when dollars change", () => {
  const fields = fieldsOf(project);
  expect(fields).toMatchObject({
    name: "Shop",
    repo: "",
    concurrency: "",
    followUps: "0",
    usdDay: "2.5",
    usdMonth: "",
  });
  expect(bodyOf(project, { ...fields, usdDay: "", usdMonth: "40" })).toEqual({
    name: "Shop",
    default_repo_url: null,
    runner: null,
    fork: null,
    concurrency: null,
    follow_ups: 0,
    budget: { tokens_day: 5, tokens_month: null, usd_day: null, usd_month: 40 },
  });
});

it("no limit at all is no budget", () => {
  expect(bodyOf({ ...project, budget: null }, { ...fieldsOf(project), usdDay: "" })["budget"]).toBeNull();
});
