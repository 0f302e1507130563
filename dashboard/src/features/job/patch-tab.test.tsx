import { render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { Patch } from "./patch-tab";

vi.stubGlobal("matchMedia", () => ({ matches: false }));

const TEXT = `diff --git a/shop/pricing.py b/shop/pricing.py
index 1111111..2222222 100644
--- a/shop/pricing.py
+++ b/shop/pricing.py
@@ -1,2 +1,2 @@
 def parse(text):
-    return Decimal(text)
+    return Decimal(text.replace(",", ""))
diff --git a/<img src=x> b/<img src=x>
new file mode 100644
index 0000000..3333333
--- /dev/null
+++ b/<img src=x>
@@ -0,0 +1 @@
+<script>alert(1)</script>
`;

it("each file says whether the plan named it and what the gate held, and nothing in it becomes markup", () => {
  const findings = [{ rule: "ci-config", verdict: "hold" as const, path: "<img src=x>", detail: "runs in CI" }];
  const { container } = render(<Patch text={TEXT} outside={["<img src=x>"]} findings={findings} jobId="J" />);
  const planned = screen.getByRole("region", { name: "shop/pricing.py" });
  expect(within(planned).getByText("✓ in the plan")).toBeTruthy();
  const other = screen.getByRole("region", { name: "<img src=x>" });
  expect(within(other).getByText("! not in the plan")).toBeTruthy();
  expect(within(other).getByText(/Held for review/).textContent).toContain("runs in CI");
  expect(container.querySelector("img, script")).toBeNull();
  expect(screen.getByText("2 files changed, +2 −1")).toBeTruthy();
});

it("the two sides can be put under one another", async () => {
  const { container } = render(<Patch text={TEXT} outside={null} jobId="J" />);
  expect(container.querySelector(".diff-split")).not.toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Side by side" }));
  expect(container.querySelector(".diff-split")).toBeNull();
  expect(screen.queryByText("✓ in the plan")).toBeNull();
});
