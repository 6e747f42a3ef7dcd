import js from '@eslint/js';
import tseslint from 'typescript-eslint';

/** `Date.now()` and friends live in platform/clock, so that every rule of time can be tested without sleeping. */
const clockOnly = [
  { selector: "MemberExpression[object.name='Date'][property.name='now']", message: 'use the Clock of platform' },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'use the Clock of platform' },
  { selector: "MemberExpression[object.name='Math'][property.name='random']", message: 'use the Clock of platform' },
];

export default tseslint.config(
  { ignores: ['dist*', 'node_modules', '.weir', 'src/web', '**/*.mjs', '**/*.cjs', '**/*.js'] },
  js.configs.recommended,
  ...tseslint.configs.recommendedTypeChecked,
  {
    languageOptions: {
      parserOptions: { project: ['./test/tsconfig.json'], tsconfigRootDir: import.meta.dirname },
    },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-restricted-syntax': ['error', ...clockOnly],
    },
  },
  {
    files: ['**/*.spec.ts', 'test/**/*.ts', 'src/platform/clock.ts', 'src/cli/**/*.ts'],
    rules: {
      'no-restricted-syntax': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
    },
  },
);
