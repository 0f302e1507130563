import type { Role } from "@/api/types";
import { Choice } from "@/components/fields";

export const PEOPLE_ROLES: readonly Role[] = ["viewer", "triager", "operator", "admin"];
export const KEY_ROLES: readonly Role[] = ["ingest", ...PEOPLE_ROLES];

interface Props {
  readonly label: string;
  readonly roles: readonly Role[];
  readonly value: Role;
  readonly set: (role: Role) => void;
}

/** What somebody or something may do. */
export function RoleChoice({ label, roles, value, set }: Props) {
  return (
    <Choice
      label={label}
      value={value}
      set={(role) => {
        set(role as Role);
      }}
      options={roles.map((role) => [role, role])}
    />
  );
}
