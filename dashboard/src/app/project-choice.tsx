import { useQuery } from "@tanstack/react-query";
import { projects } from "@/api/queries";
import { chooseProject } from "@/api/session";
import { currentProject } from "@/lib/http";

/** Which project the page shows; nothing to choose, nothing shown. */
export function ProjectChoice() {
  const query = useQuery(projects());
  if (!query.data || query.data.length < 2) return null;
  return (
    <label className="project">
      <span className="visually-hidden">Project</span>
      <select
        value={currentProject()}
        onChange={(event) => {
          chooseProject(event.target.value);
          window.location.assign("/"); // nothing of the old project may stay on the page
        }}
      >
        {query.data.map((project) => (
          <option key={project.id} value={project.id}>
            {project.name}
          </option>
        ))}
      </select>
    </label>
  );
}
