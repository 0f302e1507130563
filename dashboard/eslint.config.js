import js from "@eslint/js";
import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import { readdirSync } from "node:fs";
import { URL } from "node:url";
import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

const UP = { group: ["../*"], message: "Write @/… for what lies outside of this folder." };
const forbid = (files, group, message) => ({
  files,
  rules: { "no-restricted-imports": ["error", { patterns: [UP, { group, message }] }] },
});

/** Imports point one way: app -> features -> components -> api -> lib; features meet in app only. */
const directions = [
  ...readdirSync(new URL("./src/features", import.meta.url)).map((name) =>
    forbid(
      [`src/features/${name}/**`],
      ["@/app/*", "@/features/*", `!@/features/${name}`],
      "Features know neither the app nor each other: share it below, or compose them in app/.",
    ),
  ),
  forbid(["src/components/**"], ["@/app/*", "@/features/*"], "Components do not know features."),
  forbid(["src/api/**"], ["@/app/*", "@/features/*", "@/components/*"], "The API layer does not know what shows it."),
  forbid(["src/lib/**"], ["@/*"], "lib/ knows nothing of ours."),
];

export default defineConfig(
  { ignores: ["dist", "node_modules", "src/api/generated.ts", "test-results", "playwright-report", "**/*.tmp.mjs"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  a11y.flatConfigs.recommended,
  hooks.configs.flat["recommended-latest"],
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ["*.js"] }, tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      "max-lines": ["error", { max: 320, skipBlankLines: true, skipComments: true }],
      "no-control-regex": "off", // terminal text is made of control characters
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/restrict-template-expressions": "off",
      "jsx-a11y/no-noninteractive-tabindex": "off", // regions that scroll take the focus (axe: scrollable-region-focusable)
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_" }],
      "react-hooks/incompatible-library": "off", // no React Compiler here; TanStack Virtual is measured, not memoised
      "react-hooks/refs": "off",
      "react-hooks/set-state-in-effect": "off",
    },
  },
  ...directions,
  { files: ["e2e/**"], rules: { "react-hooks/rules-of-hooks": "off" } }, // Playwright calls its fixtures "use"
  { files: ["*.js"], extends: [tseslint.configs.disableTypeChecked] },
);
