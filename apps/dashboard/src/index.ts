import { readFile } from 'node:fs/promises';

/** A file of the dashboard, as it is sent. */
export interface DashboardFile {
  /** Where the page asks for it. */
  path: string;
  contentType: string;
  body: Buffer;
}

const files = [
  ['/', 'page.html', 'text/html; charset=utf-8'],
  ['/dashboard/page.css', 'page.css', 'text/css; charset=utf-8'],
  ['/dashboard/page.js', 'page.js', 'text/javascript; charset=utf-8'],
  ['/dashboard/view.js', 'view.js', 'text/javascript; charset=utf-8'],
  ['/favicon.ico', 'icon.svg', 'image/svg+xml'],
] as const;

/** The page and what it loads; written as browsers read it, so that nothing has to be built. */
export async function dashboardFiles(): Promise<DashboardFile[]> {
  return Promise.all(
    files.map(async ([path, name, contentType]) => ({
      path,
      contentType,
      body: await readFile(new URL(`./page/${name}`, import.meta.url)),
    })),
  );
}
