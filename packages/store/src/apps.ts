import { newId } from '@pushmill/core';
import type { Queryable } from './database.ts';
import type { App } from './rows.ts';

export function createAppTable(db: Queryable) {
  return {
    /** The app of an installation that has only one; made at first use. */
    async ensureDefault(): Promise<App> {
      return this.ensure('default');
    },

    async ensure(name: string): Promise<App> {
      const { rows } = await db.query<App>(
        `INSERT INTO apps (id, name) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id, name`,
        [newId(), name],
      );
      return rows[0] as App;
    },

    async list(): Promise<App[]> {
      const { rows } = await db.query<App>('SELECT id, name FROM apps ORDER BY name');
      return rows;
    },
  };
}

export type AppTable = ReturnType<typeof createAppTable>;
